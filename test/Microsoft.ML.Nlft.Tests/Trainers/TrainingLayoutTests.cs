using Microsoft.ML.Nlft.Tests.Fakes;

namespace Microsoft.ML.Nlft.Tests.Trainers;

/// <summary>Supervised fine-tuning of views in the layouts that people have rows in.</summary>
[TestClass]
public sealed class TrainingLayoutTests : ModelTest
{
    private const string Chats = """
        {"messages": [{"role": "user", "content": "2+3?"}, {"role": "assistant", "content": "5"}]}
        {"messages": [{"role": "user", "content": "1+1?"}, {"role": "assistant", "content": "2"}]}
        """;

    public TrainingLayoutTests() => File.WriteAllText(Path.Combine(Disk.Folder, "chat_template.jinja"),
        "{% for m in messages %}{{ '<' + m.role + '>' + m.content + '<eos>' }}{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}");

    [TestMethod]
    [DataRow("chats.jsonl", Chats)]
    [DataRow("chats.jsonl", """{"prompt": [{"role": "user", "content": "2+3?"}], "completion": [{"role": "assistant", "content": "5"}]}""")]
    [DataRow("rows.csv", "prompt,completion\n2+3=,5\n")]
    [DataRow("rows.csv", "question,answer\n2+3?,5\n")]
    [DataRow("rows.csv", "instruction,input,output\nAdd.,2+3,5\n")]
    [DataRow("rows.jsonl", """{"conversations": [{"from": "human", "value": "2+3?"}, {"from": "gpt", "value": "5"}]}""")]
    [DataRow("rows.jsonl", """{"Question": "2+3?", "Response": "5"}""")]
    public void Fit_FileOfAnyLayout_TrainsAndAnswers(string name, string text)
    {
        var path = Disk.Beside(name);
        File.WriteAllText(path, text);

        var rows = MLContext.Nlft().Data.Load(path);
        using var model = Trainer().Fit(rows);

        Assert.IsGreaterThan(0, model.Training!.Steps.Count);
        Assert.HasCount(2, Answers(model.Transform(Questions(2))));
    }

    [TestMethod]
    public void Fit_ViewOfAnotherProgram_IsReadByItsColumns()
    {
        var rows = MLContext.Data.LoadFromEnumerable([new Instructed { Instruction = "2+3?", Output = "5" }]);
        using (var model = Trainer().Fit(rows)) Assert.IsGreaterThan(0, model.Training!.Steps.Count);
        // A chain also asks for the schema, and for the answers of the fitted model, which reads questions.
        using var chain = MLContext.Transforms.CopyColumns("Question", "Instruction").Append(Trainer()).Fit(rows);
        Assert.IsGreaterThan(0, chain.LastTransformer.Training!.Steps.Count);
    }

    [TestMethod]
    public void Fit_ViewOfAnUnknownLayout_IsRefusedWithItsColumns()
    {
        var rows = MLContext.Data.LoadFromEnumerable([new Preferred { Chosen = "a" }]);
        Assert.Contains("training rows: found the columns \"Chosen\"; expected the columns of one layout",
            Assert.ThrowsExactly<NlftException>(() => Trainer().Fit(rows)).Message);
    }

    private SupervisedFineTuneTrainer Trainer() => MLContext.Nlft().Trainers.SupervisedFineTune(new SupervisedFineTuneTrainer.Options
    {
        ModelFolder = Disk.Folder, Engine = Engine, Training = new() { Epochs = 1, BatchSize = 1 }, Lora = new() { Rank = 2 },
    });

    private sealed class Instructed
    {
        public string Instruction { get; set; } = "";

        public string Output { get; set; } = "";
    }

    private sealed class Preferred
    {
        public string Chosen { get; set; } = "";
    }
}
