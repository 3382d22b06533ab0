using WordProblems_ConsoleApp;

WordProblems.Train();
Console.WriteLine(WordProblems.Evaluate());

// Create a single instance of sample data from the first line of the dataset for model input.
var sampleData = new WordProblems.ModelInput
{
    Question = "Bela has 19 beads. Elif has 6 fewer than twice as many. How many beads does Elif have?",
};
var predictionResult = WordProblems.Predict(sampleData);

Console.WriteLine($"Question: {sampleData.Question}");
Console.WriteLine($"Answer:   {predictionResult.GeneratedAnswer.ReplaceLineEndings(" | ")}");
