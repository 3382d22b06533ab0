using Microsoft.ML.Nlft.Tool.Display;
using Spectre.Console;

namespace Microsoft.ML.Nlft.Tool.Tests.Terminal;

/// <summary>Text from files does not command the terminal.</summary>
[TestClass]
public sealed class EscapedWriterTests
{
    [TestMethod]
    [DataRow("plain text, ünïcödé \U0001F600\tand tabs\nlines\r\n", "plain text, ünïcödé \U0001F600\tand tabs\nlines\r\n")]
    [DataRow("\u001b[31mred", "\\x1b[31mred")]
    [DataRow("over\rwritten", "over\\x0dwritten")]
    [DataRow("bell\a\b\u007f", "bell\\x07\\x08\\x7f")]
    [DataRow("\u009b2J", "\\x9b2J")]
    [DataRow("abc\u202Edcba\u2066", "abc\\u202edcba\\u2066")]
    public void Write_ControlCharacters_AreShown(string text, string shown)
    {
        foreach (var write in (Action<TextWriter>[])[
            writer => writer.Write(text), writer => writer.Write(text.AsSpan()), writer => writer.Write(text.ToCharArray(), 0, text.Length)])
        {
            var written = new StringWriter();
            write(new EscapedWriter(written));
            Assert.AreEqual(shown, written.ToString());
        }
    }

    [TestMethod]
    public void Console_TextOfFiles_IsEscapedForPeopleAndKeptInPipes()
    {
        var (output, error) = (new StringWriter(), new StringWriter());
        ToolConsole Make(bool terminal) => new() { In = TextReader.Null, Out = output, Error = error, OutIsTerminal = terminal };
        Make(terminal: false).Out.Write("\u001b[1m");
        Make(terminal: true).Out.Write("\u001b[2m");
        Make(terminal: false).Error.Write("\u001b[3m");
        Make(terminal: false).Write(new Table().AddColumn("tensor").AddRow(Markup.Escape("name\u001b[4m")));
        Assert.StartsWith("\u001b[1m\\x1b[2m", output.ToString());
        Assert.AreEqual("\\x1b[3m", error.ToString());
        Assert.Contains("name\\x1b[4m", output.ToString());
    }

    [TestMethod]
    [DataRow("\u001b]0;title\a")]
    [DataRow("\u009b31m")]
    [DataRow("a\u202eb")]
    public void Inspect_TensorNameWithControlCharacters_IsShownEscaped(string name)
    {
        using var tool = new ToolRun();
        var header = $"{{{System.Text.Json.JsonSerializer.Serialize(name)}:{{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}}}";
        var bytes = System.Text.Encoding.UTF8.GetBytes(header);
        File.WriteAllBytes(tool.PathOf("odd.safetensors"), [.. BitConverter.GetBytes((ulong)bytes.Length), .. bytes, 0, 0, 0, 0]);
        tool.Run("inspect odd.safetensors");
        Assert.DoesNotContain(name, tool.Out + tool.Error);
    }
}
