using System.Diagnostics;
using System.Net.Sockets;
using System.Text;
using Microsoft.ML.Nlft.Cards;
using Microsoft.ML.Nlft.ChatTemplates;
using Microsoft.ML.Nlft.Common;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.ModelFiles;
using Microsoft.ML.Nlft.Tokenization;
using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft.Tests.Common;

/// <summary>What is no regular file is refused by name, at once, by everything that reads a file.</summary>
[TestClass]
[OSCondition(ConditionMode.Exclude, OperatingSystems.Windows)]
public sealed class OddFileTests
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);

    private static readonly Dictionary<string, Action<string>> s_readers = new()
    {
        ["config.json"] = path => ModelConfiguration.Load(path),
        ["tokenizer.json"] = path => HuggingFaceTokenizer.Load(path),
        ["adapter_config.json"] = path => LoraConfiguration.Load(path),
        ["chat_template.jinja"] = path => ChatTemplate.Load(Path.GetDirectoryName(path)!),
        ["step-00000001.safetensors"] = path => Checkpoint.Load(path),
        ["rows.jsonl"] = path => DataFile.Read(path),
        ["rows.json"] = path => DataFile.Read(path),
        ["rows.csv"] = path => DataFile.Read(path),
        ["README.md"] = path => InputFile.ReadText(path, "a model card"),
    };

    public static IEnumerable<object[]> Cases =>
        from file in s_readers.Keys
        from kind in new[] { "pipe", "device", "folder", "loop", "socket", "link to a pipe" }
        select new object[] { file, kind };

    [TestMethod]
    [DynamicData(nameof(Cases))]
    public void Read_OddFile_IsRefusedByName(string file, string kind)
    {
        using var folder = new TemporaryFolder();
        var path = folder.File(file);
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        switch (kind)
        {
            case "pipe": MakePipe(path); break;
            case "device": File.CreateSymbolicLink(path, "/dev/zero"); break;
            case "folder": Directory.CreateDirectory(path); break;
            case "loop": File.CreateSymbolicLink(path, path); break;
            case "socket": socket.Bind(new UnixDomainSocketEndPoint(path)); break;
            default:
                MakePipe(folder.File("pipe"));
                File.CreateSymbolicLink(path, folder.File("pipe"));
                break;
        }

        var reading = Task.Run(() => Refusal(() => s_readers[file](path)));
        Assert.IsTrue(reading.Wait(s_patience), "it waits for ever");
        if (reading.Result is { } message) StringAssert.Contains(message, file, kind);
        else Assert.IsTrue(kind is "folder" or "loop" && file is "chat_template.jinja", "it was read"); // there is no template then
    }

    [TestMethod]
    [DataRow("config.json")]
    [DataRow("tokenizer.json")]
    [DataRow("adapter_config.json")]
    [DataRow("chat_template.jinja")]
    [DataRow("README.md")]
    public void Read_SparseFileOf3GB_IsRefusedWithoutReadingIt(string file)
    {
        using var folder = new TemporaryFolder();
        using (var sparse = File.Create(folder.File(file))) sparse.SetLength(3L << 30);
        var before = GC.GetAllocatedBytesForCurrentThread();
        StringAssert.Contains(Refusal(() => s_readers[file](folder.File(file))), "a file of more than");
        Assert.IsLessThan(16L << 20, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    [TestMethod]
    [DataRow("rows.jsonl", "", "a row with a byte 0")]
    [DataRow("rows.jsonl", "{\"Question\":\"", "a row with a byte 0")]
    [DataRow("rows.json", "[{\"Question\":\"", "rows.json")]
    [DataRow("rows.csv", "", "a field of more than 16777216 characters")]
    [DataRow("rows.csv", "Question,Response\n1,\"", "a field of more than 16777216 characters")]
    [DataRow("rows.tsv", "Question\t", "a field of more than 16777216 characters")]
    public void Read_SparseRowsOf3GB_AreRefusedAfterAFewMegabytes(string file, string start, string found)
    {
        using var folder = new TemporaryFolder();
        using (var sparse = File.Create(folder.File(file)))
        {
            sparse.Write(Encoding.ASCII.GetBytes(start));
            sparse.SetLength(3L << 30);
        }

        var before = GC.GetAllocatedBytesForCurrentThread();
        StringAssert.Contains(Refusal(() => DataFile.Read(folder.File(file))), found);
        Assert.IsLessThan(256L << 20, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    [TestMethod]
    [DataRow("config.json")]
    [DataRow("tokenizer.json")]
    [DataRow("chat_template.jinja")]
    [DataRow("rows.jsonl")]
    [DataRow("rows.csv")]
    [DataRow("README.md")]
    public void Read_InvalidUtf8_IsRefusedByName(string file)
    {
        using var folder = new TemporaryFolder();
        var (before, after) = file == "rows.csv" ? ("Question,", ",Response\n1,2,3\n") : ("{\"", "\":1}\n");
        folder.Write(file, [.. Encoding.ASCII.GetBytes(before), 0xC3, 0x28, .. Encoding.ASCII.GetBytes(after)]);
        var message = Refusal(() => s_readers[file](folder.File(file)));
        StringAssert.Contains(message, file);
        StringAssert.Contains(message, "not UTF-8");
    }

    [TestMethod]
    [DataRow("config.json")]
    [DataRow("chat_template.jinja")]
    [DataRow("rows.jsonl")]
    [DataRow("rows.csv")]
    [DataRow("step-00000001.safetensors")]
    public void Read_FileWithoutPermission_IsRefusedByName(string file)
    {
        if (OperatingSystem.IsWindows() || Environment.IsPrivilegedProcess) return; // Windows has no modes, and root may read every file
        using var folder = new TemporaryFolder();
        File.SetUnixFileMode(folder.Write(file, "{}"), UnixFileMode.None);
        StringAssert.Contains(Refusal(() => s_readers[file](folder.File(file))), file);
    }

    [TestMethod]
    public void Save_CardOverAPipe_IsRefused()
    {
        using var folder = new TemporaryFolder();
        MakePipe(folder.File("README.md"));
        var saving = Task.Run(() => Refusal(() => new ModelCard { BaseModel = "b" }.Save(folder.Path, ModelCardKind.Adapter)));
        Assert.IsTrue(saving.Wait(s_patience), "it waits for ever");
        StringAssert.Contains(saving.Result, "a named pipe");
    }

    /// <summary>Makes a named pipe, for which .NET has no method.</summary>
    internal static void MakePipe(string path)
    {
        using var process = Process.Start("mkfifo", [path]);
        process.WaitForExit();
        Assert.AreEqual(0, process.ExitCode);
    }

    private static string? Refusal(Action read)
    {
        try
        {
            read();
            return null;
        }
        catch (NlftException refusal)
        {
            return refusal.Message;
        }
    }
}
