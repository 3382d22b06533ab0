using System.Buffers.Binary;
using System.Text;
using Google.Protobuf;
using Microsoft.ML.Nlft.Monitoring;
using Microsoft.ML.Nlft.Monitoring.TensorBoard;
using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft.Tests.Monitoring;

/// <summary>Event files, read back without the writer's own code: records and CRCs by hand, messages by Google's parser.</summary>
[TestClass]
public sealed class TensorBoardTests
{
    private const double Now = 1_700_000_000.5;

    [TestMethod]
    public void Run_Reported_WritesScalarsAndOptions()
    {
        using var folder = new TemporaryFolder();
        using (var board = new TensorBoardWriter(Path.Combine(folder.Path, "run"), new FixedTime()))
        {
            board.Begin(Steps.Run);
            for (var step = 1; step <= 3; step++) board.Report(Steps.At(step));
            board.End(new FineTuneResult([], Cancelled: false));
        }
        var file = Directory.GetFiles(Path.Combine(folder.Path, "run")).Single();
        Assert.StartsWith("events.out.tfevents.1700000000.", Path.GetFileName(file));
        var events = Records(File.ReadAllBytes(file)).Select(Event.Parse).ToList();

        Assert.HasCount(5, events);
        foreach (var one in events) Assert.AreEqual(Now, one.WallTime);
        Assert.AreEqual("brain.Event:2", events[0].FileVersion);
        Assert.IsEmpty(events[0].Values);
        var options = events[1].Values.Single();
        Assert.AreEqual("options", options.Tag);
        Assert.AreEqual("text", options.Plugin);
        Assert.AreEqual(2, options.DataClass); // tensor
        Assert.AreEqual(7, options.DataType); // string
        Assert.AreEqual("NLFT on 25 rows, model tiny.\n\n| | option | value |\n|---|---|---|\n"
            + "| Training | Epochs | 10 |\n| Prompts | BaseUser | \"a\\|b c\" |\n", options.Text);
        for (var step = 1; step <= 3; step++)
        {
            var (one, told) = (events[step + 1], Steps.At(step));
            Assert.AreEqual(step, one.Step);
            var expected = new Dictionary<string, double>
            {
                ["train/loss"] = told.Loss, ["train/token_accuracy"] = told.TokenAccuracy, ["train/salient_share"] = told.SalientShare,
                ["train/gradient_norm"] = told.GradientNorm,
                ["train/learning_rate"] = told.LearningRate, ["train/tokens_per_second"] = told.TokensPerSecond, ["train/epoch"] = told.Epoch,
            };
            CollectionAssert.AreEquivalent(expected.Keys, one.Values.Select(value => value.Tag).ToArray());
            foreach (var value in one.Values) Assert.AreEqual((float)expected[value.Tag], value.Scalar);
        }
    }

    [TestMethod]
    public void Report_Validation_WritesScalarsAndAnswersAtItsStep()
    {
        using var folder = new TemporaryFolder();
        using (var board = new TensorBoardWriter(folder.Path, new FixedTime()))
            board.Report(Steps.At(5) with { Validation = [Steps.Evaluation(0, answers: false), Steps.Evaluation(5)] });
        var events = Records(File.ReadAllBytes(Directory.GetFiles(folder.Path).Single())).Select(Event.Parse).Skip(2).ToList();
        CollectionAssert.AreEqual(new[] { (0L, "validation/loss"), (5, "validation/loss"), (5, "validation/accuracy"), (5, "validation/answers") },
            events.Select(one => (one.Step, one.Values.Single().Tag)).ToArray());
        CollectionAssert.AreEqual(new float?[] { 2, 2 / 6f, 0.5f, null }, events.Select(one => one.Values.Single().Scalar).ToArray());
        Assert.AreEqual("| question | answer | expected | outcome |\n|---|---|---|---|\n| 1 + 1? | #### 2 | 2 | Correct |\n"
            + "| 2 + 2? | a \\| b | 4 | Wrong |\n", events[^1].Values.Single().Text);
    }

    [TestMethod]
    public void Report_EachStep_IsReadableAtOnce()
    {
        using var folder = new TemporaryFolder();
        using var board = new TensorBoardWriter(folder.Path);
        for (var step = 1; step <= 4; step++)
        {
            board.Report(Steps.At(step)); // without a Begin: a caller that reports by hand
            using var stream = new FileStream(Directory.GetFiles(folder.Path).Single(), FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
            var bytes = new byte[stream.Length];
            stream.ReadExactly(bytes);
            Assert.HasCount(step + 1, Records(bytes).ToList());
        }
    }

    [TestMethod]
    public void Begin_Twice_WritesTwoFiles()
    {
        using var folder = new TemporaryFolder();
        using var board = new TensorBoardWriter(folder.Path, new FixedTime());
        board.Begin(Steps.Run);
        board.Begin(Steps.Run);
        Assert.HasCount(2, Directory.GetFiles(folder.Path));
    }

    [TestMethod]
    public void Constructor_FileInPlaceOfFolder_IsRefused()
    {
        using var folder = new TemporaryFolder();
        var path = Path.Combine(folder.Path, "runs");
        File.WriteAllText(path, "");
        Assert.AreEqual($"{path}: found a file; expected a folder, or a place for a new one. Name another folder for TensorBoard.",
            Assert.ThrowsExactly<NlftException>(() => new TensorBoardWriter(path)).Message);
    }

    [TestMethod]
    public void EventFile_ScalarsAndMarkdown_WritesTheseBytes()
    {
        using var folder = new TemporaryFolder();
        var path = Path.Combine(folder.Path, "events");
        using (var file = new EventFile(path, Now))
        {
            file.Scalars(Now, 300, [("train/loss", 0.75), ("train/epoch", 0)]);
            file.Markdown(Now, "options", "caf\u00e9 | \U0001F600");
        }
        // One record a line, encoded by hand from event.proto, summary.proto and tensor.proto. A zero is written, though proto3 may leave it out.
        Assert.AreEqual(
            "1800000000000000A37F4B220900002040FC54D9411A0D627261696E2E4576656E743A322B353110"
            + "3500000000000000D6C55DE60900002040FC54D94110AC022A27"
            + "0A110A0A747261696E2F6C6F7373150000403F0A120A0B747261696E2F65706F636815000000003CA64EA7"
            + "3800000000000000A3797D570900002040FC54D94110002A2B"
            + "0A290A076F7074696F6E734A0A0A060A04746578742002421208071200420C636166C3A9207C20F09F9880B6AF244B",
            Convert.ToHexString(File.ReadAllBytes(path)));
    }

    [TestMethod]
    public void MaskedCrc_EveryLength_MatchesThePublishedCrc()
    {
        // CRC-32C of "123456789" is E3069283 (RFC 3720, appendix B.4, and every catalogue of CRCs).
        Assert.AreEqual(0xE3069283, Crc("123456789"u8));
        var bytes = new byte[61];
        new Random(1).NextBytes(bytes);
        for (var length = 0; length <= bytes.Length; length++)
            Assert.AreEqual(Mask(Crc(bytes.AsSpan(0, length))), EventFile.MaskedCrc(bytes.AsSpan(0, length)));
    }

    /// <summary>The data of every record, both CRCs checked.</summary>
    private static IEnumerable<byte[]> Records(byte[] file)
    {
        for (var at = 0; at < file.Length;)
        {
            var length = (int)BinaryPrimitives.ReadUInt64LittleEndian(file.AsSpan(at));
            Assert.AreEqual(Mask(Crc(file.AsSpan(at, 8))), BinaryPrimitives.ReadUInt32LittleEndian(file.AsSpan(at + 8)));
            var data = file[(at + 12)..(at + 12 + length)];
            Assert.AreEqual(Mask(Crc(data)), BinaryPrimitives.ReadUInt32LittleEndian(file.AsSpan(at + 12 + length)));
            at += 16 + length;
            yield return data;
        }
    }

    /// <summary>CRC-32C bit by bit: the reflected polynomial 0x82F63B78.</summary>
    private static uint Crc(ReadOnlySpan<byte> data)
    {
        var crc = uint.MaxValue;
        foreach (var part in data)
        {
            crc ^= part;
            for (var bit = 0; bit < 8; bit++) crc = (crc & 1) == 0 ? crc >> 1 : crc >> 1 ^ 0x82F63B78;
        }
        return ~crc;
    }

    private static uint Mask(uint crc) => (crc >> 15 | crc << 17) + 0xA282EAD8;

    private sealed class FixedTime : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => DateTimeOffset.UnixEpoch.AddSeconds(Now);
    }

    /// <summary>An Event message as event.proto and summary.proto of TensorBoard describe it.</summary>
    private sealed class Event
    {
        public double WallTime { get; private set; }

        public long Step { get; private set; }

        public string FileVersion { get; private set; } = "";

        public List<Value> Values { get; } = [];

        public static Event Parse(byte[] bytes)
        {
            var (one, input) = (new Event(), new CodedInputStream(bytes));
            for (uint tag; (tag = input.ReadTag()) != 0;)
            {
                switch (WireFormat.GetTagFieldNumber(tag))
                {
                    case 1: one.WallTime = input.ReadDouble(); break;
                    case 2: one.Step = input.ReadInt64(); break;
                    case 3: one.FileVersion = input.ReadString(); break;
                    case 5: one.Values.AddRange(Fields(input.ReadBytes()).Select(field => Value.Parse(field.Bytes))); break;
                    default: Assert.Fail($"unexpected field {WireFormat.GetTagFieldNumber(tag)}"); break;
                }
            }
            return one;
        }

        public sealed class Value
        {
            public string Tag { get; private set; } = "";

            public float? Scalar { get; private set; }

            public string Plugin { get; private set; } = "";

            public int DataClass { get; private set; }

            public int DataType { get; private set; }

            public string Text { get; private set; } = "";

            public static Value Parse(ByteString bytes)
            {
                var (one, input) = (new Value(), bytes.CreateCodedInput());
                for (uint tag; (tag = input.ReadTag()) != 0;)
                {
                    switch (WireFormat.GetTagFieldNumber(tag))
                    {
                        case 1: one.Tag = input.ReadString(); break;
                        case 2: one.Scalar = input.ReadFloat(); break;
                        case 8:
                            foreach (var (field, content, number) in Fields(input.ReadBytes()))
                            {
                                if (field == 1) one.DataType = (int)number;
                                else if (field == 8) one.Text = content.ToString(Encoding.UTF8);
                                else Assert.IsTrue(field == 2 && content.IsEmpty, "the shape of a scalar");
                            }
                            break;
                        case 9:
                            foreach (var (field, content, number) in Fields(input.ReadBytes()))
                            {
                                if (field == 1) one.Plugin = Fields(content).Single(inner => inner.Field == 1).Bytes.ToStringUtf8();
                                else if (field == 4) one.DataClass = (int)number;
                            }
                            break;
                        default: Assert.Fail($"unexpected field {WireFormat.GetTagFieldNumber(tag)}"); break;
                    }
                }
                return one;
            }
        }

        private static IEnumerable<(int Field, ByteString Bytes, long Number)> Fields(ByteString bytes)
        {
            var input = bytes.CreateCodedInput();
            var fields = new List<(int, ByteString, long)>();
            for (uint tag; (tag = input.ReadTag()) != 0;)
            {
                var delimited = WireFormat.GetTagWireType(tag) == WireFormat.WireType.LengthDelimited;
                fields.Add((WireFormat.GetTagFieldNumber(tag), delimited ? input.ReadBytes() : ByteString.Empty, delimited ? 0 : input.ReadInt64()));
            }
            return fields;
        }
    }
}
