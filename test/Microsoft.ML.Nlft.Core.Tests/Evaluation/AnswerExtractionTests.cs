using System.Numerics;
using Microsoft.ML.Nlft.Evaluation;

namespace Microsoft.ML.Nlft.Tests.Evaluation;

[TestClass]
public sealed class AnswerExtractionTests
{
    [TestMethod]
    // After the marker.
    [DataRow("She sold 617+617 = <<617+617=1234>>1234 cakes.\n#### 1,234", "1234")]
    [DataRow("Each costs 10/4 = 2.50 dollars.\n#### 2.50", "2.5")]
    [DataRow("So the answer is 72.\n#### 72.", "72")]
    [DataRow("#### 18\nWait, let me recheck.\n#### 20", "18")]
    [DataRow("The format is #### {The answer number}. So 3 + 4 = 7\n#### 7", "7")]
    [DataRow("#### The answer is 3 out of 5", "3")]
    [DataRow("#### The change is -$3.", "-3")]
    [DataRow("Total is 15.\n####42", "42")]
    [DataRow("####\n42", "42")]
    [DataRow("#### **42**", "42")]
    [DataRow("##### 42", "42")]
    [DataRow("I made 3 attempts.\n#### unknown", null)]
    // After the label, as in the example solutions of GSM8K.
    [DataRow("He works 3 days.\nA: 18 dollars in 3 days", "18")]
    [DataRow("He works 3 days.\r\n A: -1.8 billion", "-1.8")]
    [DataRow("A: He has 5 and gets 2, so 7", "7")]
    // Without marker or label: the last number.
    [DataRow("Natalia sold 48 clips in April and 24 in May, so 72 altogether.", "72")]
    [DataRow("10-4", "4")]
    [DataRow("It fell from 10 to -4", "-4")]
    [DataRow("paid on 12/25/2020", null)]
    [DataRow("I cannot answer this question.", null)]
    [DataRow("", null)]
    [DataRow(null, null)]
    // Notations of numbers.
    [DataRow("#### $1,080.00 per month", "1080")]
    [DataRow("#### -$5", "-5")]
    [DataRow("#### $-5", "-5")]
    [DataRow("#### \u221213", "-13")]
    [DataRow("#### -\u20AC0.50", "-0.5")]
    [DataRow("#### 15%", "15")]
    [DataRow("#### 1/2", "0.5")]
    [DataRow("#### 2/6 of it", "1/3")]
    [DataRow("#### 4/0", null)]
    [DataRow("#### .25", "0.25")]
    [DataRow("#### 007", "7")]
    [DataRow("#### 1.5e3", "1500")]
    [DataRow("#### 5e apples", "5")]
    [DataRow("#### 1,23", "1.23")]
    [DataRow("#### 12345678901234567890123456789012345678901234567890.10", "12345678901234567890123456789012345678901234567890.1")]
    [DataRow("#### -0", "0")]
    public void FinalNumber_AnyText_FindsTheAnswer(string? text, string? expected) =>
        Assert.AreEqual(expected, AnswerExtraction.FinalNumber(text)?.ToString());

    [TestMethod]
    public void FinalNumber_MoreThanAThousandDigits_ReturnsNull()
    {
        Assert.IsNotNull(AnswerExtraction.FinalNumber("#### " + new string('3', 1000)));
        Assert.IsNull(AnswerExtraction.FinalNumber("#### " + new string('3', 1001)));
        Assert.IsNull(AnswerExtraction.FinalNumber("so 5 / 3 = 1." + new string('6', 100_000)));
    }

    [TestMethod]
    [DataRow("2.50", "2.5")]
    [DataRow("1,080", "1080.00")]
    [DataRow("\u22127", "-7")]
    [DataRow("0.5", "1/2")]
    [DataRow("1e2", "100")]
    public void Equals_SameValueInOtherNotation_IsTrue(string left, string right)
    {
        var (a, b) = (Parse(left), Parse(right));
        Assert.AreEqual(a, b);
        Assert.AreEqual(a.GetHashCode(), b.GetHashCode());
    }

    [TestMethod]
    [DataRow("0.1", "0.10000000000000000000000001")]
    [DataRow("9007199254740993", "9007199254740992")]
    public void Equals_NearlyEqualNumbers_IsFalse(string left, string right)
    {
        var (a, b) = (Parse(left), Parse(right));
        Assert.AreNotEqual(a, b);
    }

    [TestMethod]
    public void TryParse_TextThatIsNotOneNumber_ReturnsFalse()
    {
        foreach (var text in new[] { null, "", " ", "five", "5 apples", "1 2", "-", "$", "1.2.3", "--5" })
        {
            Assert.IsFalse(AnswerNumber.TryParse(text, out _), text);
        }
        Assert.IsTrue(AnswerNumber.TryParse(" -2.50 ", out var number));
        Assert.AreEqual((new BigInteger(-5), new BigInteger(2), "-2.5"), (number.Numerator, number.Denominator, number.ToString()));
        Assert.AreEqual("0", default(AnswerNumber).ToString());
    }

    [TestMethod]
    public void PublishedAnswers_EqualNumbers_MayDifferAsStrings()
    {
        Assert.AreEqual("2.50", AnswerExtraction.PublishedModelAnswer("#### 2.50"));
        Assert.AreEqual("72.", AnswerExtraction.PublishedGoldAnswer("#### 72."));
        Assert.AreEqual("-4", AnswerExtraction.PublishedModelAnswer("10-4"));
        Assert.IsNull(AnswerExtraction.PublishedGoldAnswer("####42"));
        Assert.AreEqual(AnswerExtraction.PublishedInvalid, AnswerExtraction.PublishedModelAnswer("none"));
    }

    private static AnswerNumber Parse(string text) => AnswerNumber.TryParse(text, out var number) ? number : throw new FormatException(text);
}
