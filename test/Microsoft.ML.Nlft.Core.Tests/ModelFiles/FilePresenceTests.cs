using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.Tests.ModelFiles;

/// <summary>Files of a model folder or an adapter that are links to nothing, folders, or begin with a byte order mark.</summary>
[TestClass]
public sealed class FilePresenceTests
{
    private const string Again = "Download the model's files again.", Check = "Check the path, or download the file again.";
    private const string Permissions = "Check the path and the permissions.";

    [TestMethod]
    [DataRow("config.json", "config.json of a model", Again)]
    [DataRow("generation_config.json", "generation_config.json of a model", Check)]
    [DataRow("model.safetensors", "a readable safetensors file", Permissions)]
    [DataRow("adapter_config.json", "PEFT's adapter_config.json", Check)]
    [DataRow("adapter_model.safetensors", "a readable safetensors file", Permissions)]
    public void Open_LinkToNothing_IsNamed(string name, string expected, string remedy)
    {
        using var folder = new TemporaryFolder();
        WriteAll(folder);
        File.Delete(folder.File(name));
        File.CreateSymbolicLink(folder.File(name), "../../blobs/0b1c");
        Assert.AreEqual($"{name}: found a link to ../../blobs/0b1c, where there is no file; expected {expected}. {remedy}",
            folder.Refusal(() => OpenAll(folder)));

        File.Delete(folder.File(name));
        Directory.CreateDirectory(folder.File(name));
        Assert.AreEqual($"{name}: found a folder; expected {expected}. {remedy}", folder.Refusal(() => OpenAll(folder)));
    }

    [TestMethod]
    public void Open_LinkToAFile_IsRead()
    {
        using var folder = new TemporaryFolder();
        WriteAll(folder);
        Directory.CreateDirectory(folder.File("blobs"));
        foreach (var name in new[] { "config.json", "model.safetensors", "adapter_model.safetensors" })
        {
            File.Move(folder.File(name), folder.File("blobs/" + name));
            File.CreateSymbolicLink(folder.File(name), "blobs/" + name);
        }
        OpenAll(folder);
    }

    [TestMethod]
    [DataRow("config.json")]
    [DataRow("generation_config.json")]
    [DataRow("adapter_config.json")]
    [DataRow("model.safetensors.index.json")]
    public void Open_ByteOrderMark_IsRead(string name)
    {
        using var folder = new TemporaryFolder();
        WriteAll(folder);
        using (var model = ModelFolder.Open(folder.Path)) Shards.Write(folder.File("shards"), model, 2);
        var path = name == "model.safetensors.index.json" ? folder.File("shards/" + name) : folder.File(name);
        File.WriteAllBytes(path, [0xEF, 0xBB, 0xBF, .. File.ReadAllBytes(path)]);
        OpenAll(folder);
        using var sharded = ModelFolder.Open(folder.File("shards"));
        Assert.AreEqual(3, sharded.Configuration.LayerCount);
    }

    [TestMethod]
    public void Copy_ConfigurationWithAByteOrderMark_IsWrittenWithout()
    {
        using var folder = new TemporaryFolder();
        WriteAll(folder);
        var json = File.ReadAllBytes(folder.File("config.json"));
        File.WriteAllBytes(folder.File("config.json"), [0xEF, 0xBB, 0xBF, .. json]);
        using var model = ModelFolder.Open(folder.Path);
        ModelFolderWriter.Copy(folder.File("copy"), model, _ => null);
        LoraAdapter.Load(folder.Path).MergeInto(model, folder.File("merged"));
        CollectionAssert.AreEqual(json, File.ReadAllBytes(folder.File("copy/config.json")));
        CollectionAssert.AreEqual(json, File.ReadAllBytes(folder.File("merged/config.json")));
    }

    private static void WriteAll(TemporaryFolder folder)
    {
        var configuration = ModelConfiguration.Load(folder.Write("config.json", ModelConfigurationTests.Config()));
        ModelInitializer.Create(folder.Path, configuration, seed: 1);
        folder.Write("generation_config.json", """{"eos_token_id": 2}""");
        LoraAdapter.Create(new LoraConfiguration(), configuration, seed: 1).Save(folder.Path);
    }

    private static void OpenAll(TemporaryFolder folder)
    {
        using var model = ModelFolder.Open(folder.Path);
        LoraAdapter.Load(folder.Path).EnsureFits(model.Configuration);
        CollectionAssert.AreEqual(new[] { 2 }, model.EndOfSequenceIds.ToArray());
    }
}
