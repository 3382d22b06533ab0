using Microsoft.ML.Nlft.ChatTemplates;
using Microsoft.ML.Nlft.Generation;

namespace Microsoft.ML.Nlft.Tool.Tests.Commands;

[TestClass]
public sealed class ChatTests
{
    [TestMethod]
    [DataRow("2+3?\n")]
    [DataRow("2+3?\n/exit\n1+1?\n")]
    [DataRow("\n  \n2+3?\n")]
    public void Chat_Lines_AreAnsweredUntilEndOrExit(string input)
    {
        using var tool = new ToolRun();
        var expected = tool.Succeed("generate --model MODEL --question 2+3? --maximum-new-tokens 6");

        Assert.AreEqual(expected, tool.Succeed("chat --model MODEL --maximum-new-tokens 6", input));
    }

    [TestMethod]
    public void Chat_SecondQuestion_SeesTheConversation()
    {
        using var tool = new ToolRun();
        var (first, _) = Expected(tool, "Be brief.", [], "2+3?");
        var (second, alone) = (Expected(tool, "Be brief.", [new("user", "2+3?"), new("assistant", first)], "1+1?"),
            Expected(tool, "Be brief.", [], "1+1?"));
        Assert.IsGreaterThan(alone.Prompt, second.Prompt);

        Assert.AreEqual($"{first}\n{second.Text}\n",
            tool.Succeed(["chat", "--model", tool.Model, "--maximum-new-tokens", "6", "--instruction", "Be brief."], "2+3?\n1+1?\n"));
        Assert.AreEqual($"{first}\n{alone.Text}\n",
            tool.Succeed(["chat", "--model", tool.Model, "--maximum-new-tokens", "6", "--instruction", "Be brief."], "2+3?\n/new\n1+1?\n"));
    }

    [TestMethod]
    public void Chat_LongConversation_DropsTheOldestTurns()
    {
        using var tool = new ToolRun();

        tool.Succeed(["chat", "--model", tool.Model, "--maximum-new-tokens", "6", "--prompt-maximum-tokens", "60"], "2+3?\n1+1?\n");

        Assert.AreEqual("nlft: the conversation is too long; its earliest question and answer were dropped.", tool.Error.Trim());
    }

    /// <summary>What the library answers, and the length of the prompt.</summary>
    private static (string Text, int Prompt) Expected(ToolRun tool, string instruction, ChatTurn[] before, string question)
    {
        using var model = LocalModel.Load(tool.Model);
        var prompt = model.Prompts.EncodeConversation([.. before, new("user", question)], instruction);
        return (model.Generate([prompt], new GenerationOptions { MaximumNewTokens = 6 })[0].Text, prompt.Length);
    }
}
