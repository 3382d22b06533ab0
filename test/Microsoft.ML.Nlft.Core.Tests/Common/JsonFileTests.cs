using System.Text;
using Microsoft.ML.Nlft.Common;

namespace Microsoft.ML.Nlft.Tests.Common;

/// <summary>The rules that every JSON file is read by.</summary>
[TestClass]
public sealed class JsonFileTests
{
    private enum Fruit
    {
        Apple,
        Pear,
    }

    [TestMethod]
    [DataRow("""{"a":1,"a":2}""", "f.json, \"a\": found the key twice, the second time in line 1, column 8; expected each key once.")]
    [DataRow("""{"a":{"b":1,"c":2,"b":3}}""", "f.json, \"a.b\": found the key twice, the second time in line 1, column 19;")]
    [DataRow("{\"l\":[0,\n {\"x\":{},\n  \"x\":[]}]}", "f.json, \"l[1].x\": found the key twice, the second time in line 3, column 3;")]
    [DataRow("{\"\u00E4\":1,\n\"ü😀\": 0, \"\\u00e4\":2}", "f.json, \"\u00E4\": found the key twice, the second time in line 2, column 11;")]
    [DataRow("""{"l":[[{"a":1},{"a":1}],[{"b":0,"b":null}]]}""", "f.json, \"l[1][0].b\": found the key twice")]
    [DataRow("""{"":1,"":2}""", "f.json, \"\": found the key twice")]
    public void Parse_DuplicateKey_NamesItsPathAndPosition(string json, string message) => StringAssert.StartsWith(Refusal(json), message);

    [TestMethod]
    [DataRow("""{"a":{"b":1},"b":{"a":1},"c":[{"a":1},{"a":1}]}""")]
    [DataRow("""{"a":1,"A":2}""")]
    [DataRow("""{"a":{},"b":{},"c":[],"d":{"a":[{"a":{"a":0}}]}}""")]
    [DataRow("""{"\ud83d\ude00":"\ud83d\ude00"}""")]
    [DataRow("""{"a":"\\ud83d"}""")]
    public void Parse_KeysOnceInTheirObjects_AreRead(string json) => Assert.IsTrue(Parse(json).Members().Any());

    [TestMethod]
    [DataRow("")]
    [DataRow(" ")]
    [DataRow("{")]
    [DataRow("{\"a\"")]
    [DataRow("{\"a\":[1,{\"b\":\"c")]
    [DataRow("{\"a\":1,}")]
    [DataRow("{\"a\":[1,]}")]
    [DataRow("{\"a\":1 /* one */}")]
    [DataRow("// one\n{}")]
    [DataRow("{} {}")]
    [DataRow("{\"a\":NaN}")]
    [DataRow("{\"a\":-Infinity}")]
    [DataRow("{\"a\":01}")]
    [DataRow("{'a':1}")]
    [DataRow("{\"a\":tru}")]
    [DataRow("{\"a\":\"\t\"}")]
    public void Parse_TextThatIsNoJson_NamesLineAndColumn(string json) =>
        StringAssert.Matches(Refusal(json),
            new(@"^f\.json: found invalid JSON \(line \d+, column \d+: .+\); expected one JSON object\. Correct the file"));

    [TestMethod]
    [DataRow("{\n  \"a\": 1,\n  \"ü😀\" 2\n}", "line 3, column 9")]
    [DataRow("{\"ü\": oops}", "line 1, column 7")]
    [DataRow("\n\n?", "line 3, column 1")]
    [DataRow("{\r\n\"a\": 1 2}", "line 2, column 8")]
    [DataRow("{\"a\":1}\n}", "line 2, column 1")]
    public void Parse_TextThatIsNoJson_CountsCharactersNotBytes(string json, string position) =>
        StringAssert.Contains(Refusal(json), $"({position}: ");

    [TestMethod]
    [DataRow("[]", "found []")]
    [DataRow("null", "found null")]
    [DataRow("3", "found 3")]
    [DataRow("\"text\"", "found \"text\"")]
    [DataRow("[{\"a\":1}]", "found [{\"a\":1}]")]
    public void Parse_RootThatIsNoObject_IsQuoted(string json, string found) =>
        Assert.AreEqual($"f.json: {found}; expected one JSON object. Correct the file, or download it again.", Refusal(json));

    [TestMethod]
    [DataRow(63, true)]
    [DataRow(64, false)]
    [DataRow(65, false)]
    [DataRow(1000, false)]
    [DataRow(100_000, false)]
    public void Parse_NestedArrays_AreReadToTheLimit(int depth, bool isRead)
    {
        var json = "{\"a\":" + new string('[', depth) + new string(']', depth) + "}";
        if (isRead) Assert.AreEqual("a", Parse(json)["a"].Path);
        else StringAssert.Contains(Refusal(json), $"The maximum configured depth of {JsonFile.MaximumDepth} has been exceeded");
    }

    [TestMethod]
    [DataRow("{/* a */\"a\":1}", null)]
    [DataRow("{\"a\":1,} // end", null)]
    [DataRow("\uFEFF// begin\n{\"a\":[1,],}", null)]
    [DataRow("{// a\n\"a\":1,\"a\":2}", "f.json, \"a\": found the key twice, the second time in line 2, column 7;")]
    [DataRow("{/* \"a\" */\"a\":[\"\\ud800\",]}", "f.json, \"a[0]\": found half of a surrogate pair;")]
    [DataRow("{\"a\":1 /* end", "f.json: found invalid JSON (line 1, column ")]
    [DataRow("{\"a\":1,,}", "f.json: found invalid JSON (line 1, column 8: ")]
    public void Parse_HandwrittenFile_MayHaveCommentsAndTrailingCommas(string json, string? message)
    {
        void Read() => JsonFile.Parse(Encoding.UTF8.GetBytes(json), new("f.json") { IsHandwritten = true });
        if (message is null) Read();
        else StringAssert.StartsWith(Assert.ThrowsExactly<NlftException>(Read).Message, message);
        if (message is null) StringAssert.Contains(Refusal(json), "f.json: found invalid JSON (line ");
    }

    [TestMethod]
    public void Parse_ByteOrderMark_IsSkipped() => Assert.AreEqual(1, JsonFile.Parse([0xEF, 0xBB, 0xBF, .. "{\"a\":1}"u8], new("f.json"))["a"].Int());

    [TestMethod]
    [DataRow("utf-16", true)]
    [DataRow("utf-16", false)]
    [DataRow("utf-16BE", true)]
    [DataRow("utf-16BE", false)]
    [DataRow("utf-32", true)]
    public void Parse_Utf16OrUtf32_IsRefused(string encoding, bool mark)
    {
        var writer = Encoding.GetEncoding(encoding);
        byte[] bytes = [.. mark ? writer.GetPreamble() : [], .. writer.GetBytes("{\"a\":1}")];
        Assert.AreEqual("f.json: found UTF-16 text; expected UTF-8 text. Save the file as UTF-8.",
            Assert.ThrowsExactly<NlftException>(() => JsonFile.Parse(bytes, new("f.json"))).Message);
    }

    [TestMethod]
    [DataRow("{\"a\":\"", "E9", "line 1, column 7: found 0xE9")]
    [DataRow("{\n\"ü", "C3", "line 2, column 3: found 0xC3")]
    [DataRow("", "80", "line 1, column 1: found 0x80")]
    [DataRow("{\"a\":\"", "EDA080", "line 1, column 7: found 0xED")]
    [DataRow("{\"a\":\"", "F8888080", "line 1, column 7: found 0xF8")]
    public void Parse_BytesThatAreNotUtf8_NamesTheFirst(string before, string bytes, string message) =>
        Assert.AreEqual($"f.json, {message}, which is not UTF-8; expected UTF-8 text. Save the file as UTF-8.", Assert.ThrowsExactly<NlftException>(
            () => JsonFile.Parse([.. Encoding.UTF8.GetBytes(before), .. Convert.FromHexString(bytes), .. "\"}"u8], new("f.json"))).Message);

    [TestMethod]
    [DataRow("""{"a":"\ud83d"}""", "f.json, \"a\"")]
    [DataRow("""{"a":{"b":["x","\uDE00"]}}""", "f.json, \"a.b[1]\"")]
    [DataRow("""{"\ud800":1}""", "f.json, a property name")]
    [DataRow("""{"a":{"x\udfff":1}}""", "f.json, \"a\", a property name")]
    [DataRow("""{"a":"\ud83d\ud83d\ude00"}""", "f.json, \"a\"")]
    public void Parse_HalfOfASurrogatePair_NamesThePath(string json, string subject) =>
        Assert.AreEqual($"{subject}: found half of a surrogate pair; expected whole characters. Write \\u escapes beyond U+FFFF as pairs.",
            Refusal(json));

    [TestMethod]
    public void Load_MissingFile_IsNamed()
    {
        var fault = Assert.ThrowsExactly<NlftException>(() => JsonFile.Load(new("/nowhere/f.json", "options")));
        Assert.AreEqual(("/nowhere/f.json", "no such file", "options"), (fault.Subject, fault.Found, fault.Expected));
    }

    [TestMethod]
    [DataRow("2147483648")]
    [DataRow("-2147483649")]
    [DataRow("1.0")]
    [DataRow("1e3")]
    [DataRow("\"1\"")]
    [DataRow("123456789012345678901234567890")]
    public void IntOrNull_ValueThatIsNoInt_IsQuoted(string value) => Assert.AreEqual(
        $"f.json, \"o.n\": found {value}; expected an integer from -2147483648 to 2147483647. Correct the value, or take the file that belongs to "
            + "the model.",
        Assert.ThrowsExactly<NlftException>(() => Parse("{\"o\":{\"n\":" + value + "}}")["o"]["n"].IntOrNull()).Message);

    [TestMethod]
    public void Accessors_WrongType_NameWhatTheyExpect()
    {
        var root = Parse("""{"s":"x","n":1e999,"l":[1,"2"],"o":{},"z":null,"f":"pear"}""");
        (Func<object?> Read, string Message)[] cases =
        [
            (() => root["n"].String(), "\"n\": found 1e999; expected a string."),
            (() => root["n"].NumberOrNull(), "\"n\": found 1e999; expected a finite number."),
            (() => root["s"].BooleanOrNull(), "\"s\": found \"x\"; expected true or false."),
            (() => root["l"].StringsOrNull(), "\"l\": found [1,\"2\"]; expected a list of strings."),
            (() => root["l"].IntsOrNull(), "\"l\": found [1,\"2\"]; expected an integer or a list of integers."),
            (() => root["l"].Items().Select(item => item.Int()).ToList(), "\"l[1]\": found \"2\"; expected an integer"),
            (() => root["s"].ObjectOrNull(), "\"s\": found \"x\"; expected an object."),
            (() => root["o"].Items(), "\"o\": found {}; expected an array."),
            (() => root["z"].Int(), "\"z\": found null; expected an integer."),
            (() => root["y"].Int(), "\"y\": found no such key; expected an integer."),
            (() => root["f"].OneOf<Fruit>(), "\"f\": found \"pear\"; expected one of Apple, Pear."),
            (() => Parse("""{"f":"1"}""")["f"].OneOf<Fruit>(), "\"f\": found \"1\"; expected one of Apple, Pear."),
            (() => root["s"]["t"], "\"s\": found \"x\"; expected an object."),
        ];
        foreach (var (read, message) in cases)
            StringAssert.StartsWith(Assert.ThrowsExactly<NlftException>(() => read()).Message, "f.json, " + message);
    }

    [TestMethod]
    public void Accessors_ValuesOfTheirTypes_AreRead()
    {
        var root = Parse("""{"s":"x","n":0.5,"i":-3,"b":true,"l":["a"],"m":[1,2],"z":null,"f":"Pear"}""");
        Assert.AreEqual(("x", 0.5, -3, true, Fruit.Pear),
            (root["s"].String(), root["n"].Number(), root["i"].Int(), root["b"].Boolean(false), root["f"].OneOf<Fruit>()));
        Assert.AreEqual(((string?)null, (double?)null, (int?)null, true, true),
            (root["z"].StringOrNull(), root["z"].NumberOrNull(), root["y"].IntOrNull(), root["y"].Boolean(true), root["y"].IsMissing));
        CollectionAssert.AreEqual(new[] { "a" }, root["l"].StringsOrNull()!.ToArray());
        CollectionAssert.AreEqual(new[] { 1, 2 }, root["m"].IntsOrNull()!.ToArray());
        CollectionAssert.AreEqual(new[] { -3 }, root["i"].IntsOrNull()!.ToArray());
    }

    [TestMethod]
    public void Found_LongValue_IsCutBetweenCharacters()
    {
        var found = Parse($$"""{"a":"{{new string('x', 78)}}😀{{new string('y', 5000)}}"}""")["a"].Found;
        Assert.AreEqual($"\"{new string('x', 78)}...", found);
    }

    /// <summary>The work for four times as many keys is four times the work, not sixteen times.</summary>
    [TestMethod]
    public void Members_ManyKeys_ComparesAndAllocatesLinearly()
    {
        var (few, many) = (Work(2_000), Work(8_000));
        Assert.IsLessThan(5 * few.Comparisons, many.Comparisons);
        Assert.IsLessThan(5 * few.Bytes, many.Bytes);

        static (long Comparisons, long Bytes) Work(int keys)
        {
            var json = Encoding.UTF8.GetBytes("{" + string.Join(",\n", Enumerable.Range(0, keys).Select(i => $"\"key {i}\":[{i}]")) + "}");
            var comparer = new CountingComparer();
            var before = GC.GetAllocatedBytesForCurrentThread();
            var members = JsonFile.Parse(json, new("f.json")).Members(comparer);
            for (var i = 0; i < keys; i++) Assert.AreEqual(i, members[$"key {i}"].IntsOrNull()![0]);
            return (comparer.Count, GC.GetAllocatedBytesForCurrentThread() - before);
        }
    }

    /// <summary>Quadratic work would take hours here.</summary>
    [TestMethod]
    [Timeout(60_000, CooperativeCancellation = false)]
    public void Parse_AMillionKeys_EndsSoon()
    {
        var json = "{" + string.Join(",\n", Enumerable.Range(0, 1_000_000).Select(i => $"\"{i}\":0")) + ",\n\"999999\":1}";
        StringAssert.Contains(Refusal(json), "\"999999\": found the key twice, the second time in line 1000001, column 1;");
    }

    [TestMethod]
    public void Members_NamesThatDifferInCase_AreRefusedWhereCaseIsIgnored()
    {
        var root = Parse("""{"a":1,"A":2}""");
        Assert.HasCount(2, root.Members(StringComparer.Ordinal));
        StringAssert.StartsWith(Assert.ThrowsExactly<NlftException>(() => root.Members(StringComparer.OrdinalIgnoreCase)).Message,
            "f.json, \"A\": found the property twice; expected each property once (names ignore case).");
    }

    private static JsonPlace Parse(string json) => JsonFile.Parse(Encoding.UTF8.GetBytes(json), new("f.json"));

    private static string Refusal(string json) => Assert.ThrowsExactly<NlftException>(() => Parse(json)).Message;

    private sealed class CountingComparer : IEqualityComparer<string>
    {
        public long Count { get; private set; }

        public bool Equals(string? x, string? y)
        {
            Count++;
            return string.Equals(x, y, StringComparison.Ordinal);
        }

        public int GetHashCode(string text)
        {
            Count++;
            return text.GetHashCode(StringComparison.Ordinal);
        }
    }
}
