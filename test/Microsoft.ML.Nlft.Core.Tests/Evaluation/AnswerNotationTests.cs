using System.Diagnostics;
using Microsoft.ML.Nlft.Evaluation;

namespace Microsoft.ML.Nlft.Tests.Evaluation;

/// <summary>The notations in which people and models write answers, by kind.</summary>
[TestClass]
public sealed class AnswerNotationTests
{
    [TestMethod]
    [DataRow("9{,}500", "9500")]
    [DataRow("1{,}234{,}567", "1234567")]
    [DataRow("9\\,500", "9500")]
    [DataRow("9\\!500", "9500")]
    [DataRow("9,\\!500", "9500")]
    [DataRow("9\\,\\!500", "9500")]
    [DataRow("9\\ 500", "9500")]
    [DataRow("9~500", "9500")]
    [DataRow("9\u00A0500", "9500")]
    [DataRow("9\u202F500", "9500")]
    [DataRow("1\u2009234\u2009567", "1234567")]
    [DataRow("9'500", "9500")]
    [DataRow("9\u2019500.50", "9500.5")]
    [DataRow("1 234 567", "1234567")]
    [DataRow("12 500", "12500")]
    [DataRow("1_000_000", "1000000")]
    [DataRow("1.234.567,89", "1234567.89")]
    [DataRow("1.234,5", "1234.5")]
    [DataRow("1,234,567.89", "1234567.89")]
    [DataRow("1.234.567", "1234567")]
    [DataRow("1 234,56", "1234.56")]
    [DataRow("12,34,567", "1234567")]
    [DataRow("1,23,456.50", "123456.5")]
    [DataRow("1,234", "1234")]
    [DataRow("0,125", "0.125")]
    [DataRow("3,14", "3.14")]
    [DataRow("3{,}14", "3.14")]
    [DataRow("1.234", "1.234")]
    [DataRow("\\$9{,}500", "9500")]
    [DataRow("9{\\,}500", "9500")]
    [DataRow("１２", "12")]
    [DataRow("$12{,}000$", "12000")]
    public void FinalAndGoldNumber_ThousandsSeparators_AreOneNumber(string text, string expected)
    {
        Assert.AreEqual(expected, AnswerExtraction.FinalNumber(text)?.ToString());
        Assert.AreEqual(expected, AnswerExtraction.GoldNumber(text)?.ToString());
        Assert.AreEqual(expected, AnswerExtraction.FinalNumber($"I had 77 before. The answer is {text}")?.ToString());
    }

    [TestMethod]
    [DataRow("2 1/4", "2.25")]
    [DataRow("-2 1/2", "-2.5")]
    [DataRow("2\\frac{1}{4}", "2.25")]
    [DataRow("2 \\frac14", "2.25")]
    [DataRow("2\\dfrac{1}{4}", "2.25")]
    [DataRow("\\frac{3}{4}", "0.75")]
    [DataRow("-\\frac{3}{4}", "-0.75")]
    [DataRow("\\tfrac{22}{7}", "22/7")]
    [DataRow("\\frac{-3}{4}", "-0.75")]
    [DataRow("1½", "1.5")]
    [DataRow("1 ½ cups", "1.5")]
    [DataRow("¾", "0.75")]
    [DataRow("2 1\u20444", "2.25")]
    [DataRow("2\u00A01/4", "2.25")]
    [DataRow("2 and 1/4 pounds", "2.25")]
    [DataRow("3 / 4", "0.75")]
    [DataRow("1,000 1/2", "1000.5")]
    [DataRow("10/2", "5")]
    [DataRow("$2\\frac{1}{2}$", "2.5")]
    public void FinalAndGoldNumber_FractionsAndMixedNumbers_AreOneNumber(string text, string expected)
    {
        Assert.AreEqual(expected, AnswerExtraction.FinalNumber(text)?.ToString());
        Assert.AreEqual(expected, AnswerExtraction.GoldNumber(text)?.ToString());
        Assert.AreEqual(expected, AnswerExtraction.FinalNumber($"I had 77 before. The answer is {text}")?.ToString());
    }

    [TestMethod]
    [DataRow("+5", "5")]
    [DataRow("x = -5", "-5")]
    [DataRow("x = - 5", "-5")]
    [DataRow("\u22125", "-5")]
    [DataRow("\u20135", "-5")]
    [DataRow("1.5E+3", "1500")]
    [DataRow("3 × 10^5", "300000")]
    [DataRow("3 \\times 10^{5}", "300000")]
    [DataRow("3\\cdot 10^{-2}", "0.03")]
    [DataRow("10^5", "100000")]
    [DataRow("10⁵", "100000")]
    [DataRow("2 x 10⁻³", "0.002")]
    [DataRow("3*10^3", "3000")]
    [DataRow("90^\\circ", "90")]
    [DataRow("90°", "90")]
    [DataRow("R$ 500", "500")]
    [DataRow("Rs.500", "500")]
    [DataRow("¥1,000", "1000")]
    [DataRow("1,080.00", "1080")]
    public void FinalAndGoldNumber_SignsAndPowers_AreOneNumber(string text, string expected)
    {
        Assert.AreEqual(expected, AnswerExtraction.FinalNumber(text)?.ToString());
        Assert.AreEqual(expected, AnswerExtraction.GoldNumber(text)?.ToString());
        Assert.AreEqual(expected, AnswerExtraction.FinalNumber($"I had 77 before. The answer is {text}")?.ToString());
    }

    [TestMethod]
    [DataRow("a list: 1,2,3", null)]
    [DataRow("The values are 100, 200, 300", "300")]
    [DataRow("1,\\ 234", "234")]
    [DataRow("\\frac{x}{2}", null)]
    [DataRow("There are 2 1/4-inch nails, so 2 nails.", "2")]
    [DataRow("In 5 3/2 cases", "1.5")]
    [DataRow("2 100/125", "2.8")]
    [DataRow("2^10", null)]
    [DataRow("5²", null)]
    [DataRow("It is 3:45", null)]
    [DataRow("#### 3:45", null)]
    [DataRow("#### 2:3:4", null)]
    [DataRow("on 2020-12-25", null)]
    [DataRow("\\boxed{5\\sqrt{2}}", null)]
    [DataRow("\\boxed{(3, 4)}", null)]
    [DataRow("12 kg of CO2", "12")]
    [DataRow("3x5 gives 3x5 = 15", "15")]
    [DataRow("\\approx5", "5")]
    [DataRow("a total of 3x5", "5")]
    [DataRow("10 - 4", "4")]
    [DataRow("5-3-2", "2")]
    [DataRow("12-3", "3")]
    [DataRow("The temperature is -3", "-3")]
    [DataRow("(-3)", "-3")]
    [DataRow("x_1 = 5 and x_2", "5")]
    [DataRow("1 2 345", "345")]
    [DataRow("2 100-gram bars", "100")]
    [DataRow("1 000 000 people", "1000000")]
    [DataRow("10000000 x 2", "2")]
    public void FinalNumber_DigitsInText_AreReadAsWritten(string text, string? expected) =>
        Assert.AreEqual(expected, AnswerExtraction.FinalNumber(text)?.ToString());

    [TestMethod]
    [DataRow("1,2,3")]
    [DataRow("(3,4)")]
    [DataRow("(3, 4)")]
    [DataRow("2019,2020")]
    [DataRow("\\frac{x}{2}")]
    [DataRow("2^10")]
    [DataRow("±5")]
    [DataRow("1e5000")]
    [DataRow("3:45")]
    [DataRow("2:3")]
    [DataRow("#### 3:45")]
    [DataRow("12/25/2020")]
    [DataRow("2020-12-25")]
    [DataRow("25-12-2020")]
    [DataRow("12.05.2020")]
    [DataRow("5-7")]
    [DataRow("3\u20135")]
    [DataRow("between 5 and 7")]
    [DataRow("5, 6 and 7")]
    [DataRow("5 ft 3 in")]
    [DataRow("3 m 20 cm")]
    [DataRow("x > 5")]
    [DataRow("5\\sqrt{2}")]
    [DataRow("2\\pi")]
    [DataRow("√2")]
    [DataRow("5π")]
    [DataRow("H2O")]
    [DataRow("five")]
    [DataRow("Natalia sold 48 clips in April and 24 in May, so 72 altogether.")]
    [DataRow("\\boxed{(3,4)}")]
    [DataRow("3 + 4")]
    [DataRow("5 or 6")]
    [DataRow("1:30 pm")]
    [DataRow("May 5, 2020")]
    [DataRow("a = 5, b = 6")]
    [DataRow("no answer")]
    public void GoldNumber_NotOneNumber_IsNull(string text) => Assert.IsNull(AnswerExtraction.GoldNumber(text));

    [TestMethod]
    [DataRow("5 km", "5")]
    [DataRow("5 km/h", "5")]
    [DataRow("25 cm^2", "25")]
    [DataRow("25 cm²", "25")]
    [DataRow("100 m2", "100")]
    [DataRow("$5 a day", "5")]
    [DataRow("15\\%", "15")]
    [DataRow("15 percent", "15")]
    [DataRow("USD500", "500")]
    [DataRow("€ 500", "500")]
    [DataRow("500 €", "500")]
    [DataRow("\\boxed{18\\text{ cm}^2}", "18")]
    [DataRow("20 - 12 = 8", "8")]
    [DataRow("2+3=<<2+3=5>>5", "5")]
    [DataRow("#### 18", "18")]
    [DataRow("16-7=9\n#### 18", "18")]
    [DataRow("A: 18", "18")]
    [DataRow("The answer is 18.", "18")]
    [DataRow("18</s>", "18")]
    [DataRow("7 (seven)", "7")]
    [DataRow("5, 5", "5")]
    [DataRow("approximately 5", "5")]
    [DataRow("#### 12{,}000", "12000")]
    public void GoldNumber_OneNumberWithUnitOrWords_IsRead(string text, string expected) =>
        Assert.AreEqual(expected, AnswerExtraction.GoldNumber(text)?.ToString());

    [TestMethod]
    [DataRow("A: 20 - 12 = 8. The answer is 8.", "8")]
    [DataRow("A: 3 + 4 = 7 pens in all.", "7")]
    [DataRow("A: 16 eggs less 3 less 4 leaves 9.\n9 * 2 = 18 dollars.", "18")]
    [DataRow("A: 18", "18")]
    [DataRow("A: 18. He works 3 days, so 6 a day.", "18")]
    [DataRow("A: 5 \\times 3 is 15", "15")]
    [DataRow("A: 5 plus 3 makes 8", "8")]
    [DataRow("A: (3 + 4) * 2 = 14", "14")]
    [DataRow("A: $20 - $12 = $8", "8")]
    [DataRow("A: 20 -12 is 8", "8")]
    [DataRow("A: 12 apples / 4 = 3", "3")]
    [DataRow("A: 3:45", null)]
    [DataRow("A: 18\nB: 20\nC: 22\nThe answer is 20", "20")]
    [DataRow("## Answer: 5\nChecked in 2 ways.", "5")]
    [DataRow("## Answer\n\n5 apples\n\nChecked in 2 ways.", "5")]
    [DataRow("**Answer:** 5 apples\nChecked in 2 ways.", "5")]
    [DataRow("**Answer**: 5\nChecked in 2 ways.", "5")]
    [DataRow("**Final answer: 5**\nChecked in 2 ways.", "5")]
    [DataRow("### Final Answer: $5\nChecked 2 times.", "5")]
    [DataRow("Answer: 5\nChecked in 2 ways.", "5")]
    [DataRow("The answer is 5.\nChecked in 2 ways.", "5")]
    [DataRow("So the final answer is **5**. That took 2 steps.", "5")]
    [DataRow("Therefore, the answer is 5. That took 2 steps.", "5")]
    [DataRow("The answer is: $\\boxed{5}$ in 2 steps", "5")]
    [DataRow("#### Step 1: add\n3+4=7\n#### Step 2: double\n7*2=14", "14")]
    [DataRow("#### 1. Add them\n3+4=7\n#### 2. Double\n7*2=14", "14")]
    [DataRow("#### 1. Add them\n3+4=7\n#### 14", "14")]
    [DataRow("#### Final answer\n14 apples in 2 baskets", "14")]
    [DataRow("#### Answer: 14", "14")]
    [DataRow("#### Calculation\n3+4=7", "7")]
    [DataRow("#### 10-4 = 6", "6")]
    [DataRow("#### 5 (since 10/2 = 5)", "5")]
    [DataRow("\\boxed{3} then \\boxed{8} in 2 steps", "8")]
    [DataRow("\\boxed{\\frac{3}{4}}", "0.75")]
    [DataRow("\\boxed{x = 5}", "5")]
    [DataRow("\\boxed{9,500 \\text{ dollars}}", "9500")]
    [DataRow("\\[ \\boxed{42} \\] 2 steps", "42")]
    [DataRow("#### \\boxed{42}", "42")]
    [DataRow("#### $\\frac{3}{4}$", "0.75")]
    [DataRow("#### \\(42\\)", "42")]
    [DataRow("A: \u22125", "-5")]
    [DataRow("Answer: 3/4 of it", "0.75")]
    [DataRow("Answer: 2 1/4 cups", "2.25")]
    [DataRow("Answer = 9{,}500", "9500")]
    [DataRow("ANSWER: 5\n2 steps", "5")]
    [DataRow("- **Answer:** 5\n2 steps", "5")]
    [DataRow("> Answer: 5\n2 steps", "5")]
    [DataRow("# The answer is 5\n2 steps", "5")]
    [DataRow("A: 1 234 dollars in 2 days", "1234")]
    [DataRow("A: 2,5 kg in 2 days", "2.5")]
    public void FinalNumber_LabelsHeadingsAndBoxes_CountWhereTheyStateTheAnswer(string text, string? expected) =>
        Assert.AreEqual(expected, AnswerExtraction.FinalNumber(text)?.ToString());

    [TestMethod]
    [DataRow("5\n<|im_end|>\n<|im_start|>user\n7", "5")]
    [DataRow("It is 5.\n</s>\n12", "5")]
    [DataRow("5<|eot_id|>9", "5")]
    [DataRow("5\n<end_of_turn>\n<start_of_turn>user\n3", "5")]
    [DataRow("</s>5", "5")]
    [DataRow("#### 5\n<|endoftext|>\n#### 9", "5")]
    [DataRow("5\n<｜end▁of▁sentence｜>7", "5")]
    public void FinalNumber_EndOfTurnMark_EndsTheText(string text, string expected) =>
        Assert.AreEqual(expected, AnswerExtraction.FinalNumber(text)?.ToString());

    [TestMethod]
    [DataRow("Paris\n<|im_end|>")]
    [DataRow("paris</s>")]
    [DataRow(" Paris <|eot_id|>\n")]
    [DataRow("Paris<end_of_turn>\n<start_of_turn>user\nAnd of Spain?")]
    [DataRow("Paris\n\n<|endoftext|>Question: ...")]
    public void Compare_TextBeforeAnEndOfTurnMark_IsCompared(string response) =>
        Assert.AreEqual(AnswerOutcome.Correct, ExactMatchEvaluator.Compare(response, "Paris", AnswerComparison.Text).Outcome);

    [TestMethod]
    [DataRow("3:45")]
    [DataRow("2:3")]
    [DataRow("12/25/2020")]
    [DataRow("between 5 and 7")]
    [DataRow("(3, 4)")]
    [DataRow("5 ft 3 in")]
    public void Compare_GoldThatIsNotOneNumber_IsRefusedAsANumberAndComparedAsText(string gold)
    {
        Assert.AreEqual($"gold answer of row: found \"{gold}\"; expected a number, alone or after ####. Correct the gold answer, or compare as text.",
            Assert.ThrowsExactly<NlftException>(() => ExactMatchEvaluator.Compare(gold, gold)).Message);
        Assert.AreEqual(AnswerOutcome.Correct, ExactMatchEvaluator.Compare(gold, gold, AnswerComparison.Text).Outcome);
    }

    [TestMethod]
    [DataRow("It is 3:45", "3:45")]
    [DataRow("A: 2:3", "2:3")]
    [DataRow("#### 12/25/2020", "12/25/2020")]
    [DataRow("\\boxed{(3, 4)}", "(3, 4)")]
    [DataRow("It is 2^5", "2^5")]
    public void Compare_AnswerThatIsNotOneNumber_IsWrongAndShown(string response, string found) =>
        Assert.AreEqual(new EvaluatedRow("5", found, AnswerOutcome.Wrong), ExactMatchEvaluator.Compare(response, "5"));

    /// <summary>Repetition is what models in a loop write; a text of a megabyte takes well under a second, so ten are far from quadratic.</summary>
    [TestMethod]
    [TestCategory("Timing")]
    [DataRow("#### ")]
    [DataRow("\\frac{1")]
    [DataRow("answer is 3 + 4 ")]
    [DataRow("\\boxed{")]
    [DataRow("1,2,")]
    [DataRow("1 ")]
    [DataRow("5 and 1/")]
    [DataRow("-")]
    [DataRow("A: 3 +\n")]
    [DataRow("<|")]
    [DataRow("#### 5 = (\n")]
    public void FinalAndGoldNumber_LongRepetition_TakesLinearTime(string piece)
    {
        var text = string.Concat(Enumerable.Repeat(piece, 1_000_000 / piece.Length));
        var watch = Stopwatch.StartNew();

        AnswerExtraction.FinalNumber(text);
        AnswerExtraction.GoldNumber(text);

        Assert.IsLessThan(20.0, watch.Elapsed.TotalSeconds);
    }
}
