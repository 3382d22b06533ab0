using WordProblems_ConsoleApp;

WordProblems.Train();
Console.WriteLine(WordProblems.Evaluate());

// Create a single instance of sample data from the first line of the dataset for model input.
var sampleData = new WordProblems.ModelInput
{
    Question = "Zoe has 13 buttons. Gus has 7 fewer than twice as many. How many buttons does Gus have?",
};
var predictionResult = WordProblems.Predict(sampleData);

Console.WriteLine($"Question: {sampleData.Question}");
Console.WriteLine($"Answer:   {predictionResult.GeneratedAnswer.ReplaceLineEndings(" | ")}");
