using Microsoft.ML.Nlft.Common;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.Tests.ModelFiles;

/// <summary>Names of models: where they are looked for, with an injected environment.</summary>
[TestClass]
public sealed class ModelLocatorTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly Dictionary<string, string> _variables = [];

    public void Dispose() => _folder.Dispose();

    private ModelLocator Locator(params string[] roots) => new([.. roots.Select(_folder.File)], name => _variables.GetValueOrDefault(name));

    private void Model(string path) => _folder.Write(Path.Combine(path, "config.json"), "{}");

    private string Found(string name, params string[] roots) =>
        Path.GetRelativePath(_folder.Path, Locator(roots).Find(name, _folder.Path)).Replace('\\', '/');

    [TestMethod]
    [DataRow("a", "a")]
    [DataRow("org/tiny", "first/org/tiny")]
    [DataRow("tiny", "first/tiny")]
    [DataRow("org/small", "second/small")]
    [DataRow("org/cached", "second/models--org--cached/snapshots/77")]
    [DataRow("listed", "third/listed")]
    [DataRow("org/in-cache", "hub/models--org--in-cache/snapshots/abc")]
    [DataRow("gpt2", "hub/models--gpt2/snapshots/1")]
    public void Find_Name_SearchesInOrder(string name, string expected)
    {
        string[] models =
        [
            "first/org/tiny", "first/tiny", "second/tiny", "second/small", "second/models--org--cached/snapshots/77", "third/listed", "third/tiny",
            "hub/models--org--in-cache/snapshots/old", "hub/models--org--in-cache/snapshots/abc", "hub/models--gpt2/snapshots/1",
        ];
        foreach (var path in models) Model(path);
        Directory.CreateDirectory(_folder.File("a"));
        _folder.Write("hub/models--org--in-cache/refs/main", "abc\n");
        _variables["NLFT_MODELS"] = $"{_folder.File("second")}{Path.PathSeparator}{Path.PathSeparator}{_folder.File("third")}";
        _variables["HF_HUB_CACHE"] = _folder.File("hub");

        Assert.AreEqual(expected, Found(name, "first"));
    }

    [TestMethod]
    [DataRow("HF_HUB_CACHE", "x", "x")]
    [DataRow("HUGGINGFACE_HUB_CACHE", "x", "x")]
    [DataRow("HF_HOME", "x", "x/hub")]
    [DataRow("XDG_CACHE_HOME", "x", "x/huggingface/hub")]
    [DataRow("HOME", "x", "x/.cache/huggingface/hub")]
    [DataRow("USERPROFILE", "x", "x/.cache/huggingface/hub")]
    public void HubCache_Variable_NamesThePlace(string variable, string value, string expected)
    {
        _variables[variable] = _folder.File(value);
        Assert.AreEqual(_folder.File(expected), Locator().HubCache!.Replace('\\', '/'));
        _variables["HF_HUB_CACHE"] = _folder.File("first");
        Assert.AreEqual(_folder.File("first"), Locator().HubCache);
    }

    [TestMethod]
    public void HubCache_HomeSign_IsExpanded()
    {
        (_variables["HOME"], _variables["HF_HOME"], _variables["NLFT_MODELS"]) = (_folder.Path, "~/hf", "~/models");
        Assert.AreEqual(_folder.File("hf/hub"), Locator().HubCache);
        Assert.AreEqual(_folder.File("models"), Locator().Roots.Single());
    }

    [TestMethod]
    public void HubCache_NoVariable_IsUnknown() => Assert.IsNull(Locator().HubCache);

    [TestMethod]
    public void Find_NothingThere_NamesEveryPlace()
    {
        _variables["HF_HOME"] = _folder.File("hf");
        Assert.AreEqual("org/tiny: found no such folder, nor a model in roots/org/tiny, roots/tiny, roots/models--org--tiny, "
            + "hf/hub/models--org--tiny; expected a folder with config.json, model.safetensors and tokenizer.json. Check the path, or download "
            + "the model there.", _folder.Refusal(() => Locator("roots").Find("org/tiny", _folder.Path)).Replace('\\', '/'));
    }

    [TestMethod]
    [DataRow("../tiny")]
    [DataRow("a/b/c")]
    [DataRow("/tiny")]
    [DataRow("./tiny")]
    [DataRow("org/..")]
    [DataRow("with space")]
    [DataRow("C:\\tiny")]
    public void Places_NoName_AreNone(string text) => Assert.IsEmpty(Locator("roots").Places(text));

    [TestMethod]
    [DataRow("models/tiny", "tiny")]
    [DataRow("models/tiny/", "tiny")]
    [DataRow("hub/models--org--tiny/snapshots/abc", "org/tiny")]
    [DataRow("hub/models--gpt2/snapshots/abc", "gpt2")]
    [DataRow("snapshots/abc", "abc")]
    [DataRow("models--org--tiny", "models--org--tiny")]
    public void NameOf_Folder_IsTheHubNameOrItsOwn(string folder, string expected) => Assert.AreEqual(expected, ModelLocator.NameOf(folder));

    [TestMethod]
    public void All_RootsAndCache_ListsEachModelOnce()
    {
        foreach (var path in (string[])["r/one", "r/org/two", "r/one/inner", "hub/models--org--three/snapshots/9", "hub/models--org--empty/x/y"])
            Model(path);
        _variables["HF_HUB_CACHE"] = _folder.File("hub");
        _variables["NLFT_MODELS"] = _folder.File("r");
        Assert.AreEqual("one two org/three", string.Join(' ', Locator("r").All().Select(model => model.Name)));
    }

    [TestMethod]
    public void Same_PathsThroughLinks_AreOneFolder()
    {
        if (OperatingSystem.IsWindows()) Assert.Inconclusive("Links need a right.");
        Model("a/b");
        Directory.CreateSymbolicLink(_folder.File("to-a"), _folder.File("a"));
        Directory.CreateSymbolicLink(_folder.File("a/to-b"), "b");
        Directory.CreateSymbolicLink(_folder.File("loop"), _folder.File("loop"));
        foreach (var path in (string[])["a/b", "a/b/", "to-a/b", "a/to-b", "to-a/to-b", "a/x/../b"])
            Assert.IsTrue(RealPath.Same(_folder.File("a/b"), _folder.File(path)), path);
        foreach (var path in (string[])["a", "to-a", "a/c", "loop", "none/b"])
            Assert.IsFalse(RealPath.Same(_folder.File("a/b"), _folder.File(path)), path);
    }
}
