using System.Globalization;
using System.Text;
using static Microsoft.ML.Nlft.Cards.CardText;

namespace Microsoft.ML.Nlft.Cards;

/// <summary>Formats a <see cref="ModelCard"/> as Markdown, section by section.</summary>
internal sealed class ModelCardMarkdown
{
    /// <summary>The last line of every card.</summary>
    public const string Mark =
        "<!-- Written by Microsoft.ML.Nlft, which replaces this file when it saves the model again: delete this line to keep your changes. -->";

    private readonly ModelCard _card;
    private readonly bool _isMerged;
    private readonly StringBuilder _text = new();

    private ModelCardMarkdown(ModelCard card, ModelCardKind kind) => (_card, _isMerged) = (card, kind == ModelCardKind.Merged);

    public static string Write(ModelCard card, ModelCardKind kind)
    {
        var writer = new ModelCardMarkdown(card, kind);
        writer.FrontMatter();
        writer.Introduction();
        writer.Data();
        writer.Options();
        writer.Metrics();
        writer.Usage();
        return writer.Line().Line(Mark)._text.ToString();
    }

    /// <summary>Writes the metadata of the hub's model cards; every text is a quoted scalar.</summary>
    private void FrontMatter()
    {
        Line("---")
            .Line($"base_model: {Quoted(_card.BaseModel)}")
            .Line($"base_model_relation: {(_isMerged ? "finetune" : "adapter")}")
            .Line($"library_name: {(_isMerged ? "transformers" : "peft")}")
            .Line("pipeline_tag: text-generation")
            .Line("tags:");
        foreach (var tag in _card.Tags.Append("lora").Distinct(StringComparer.Ordinal)) Line($"- {Quoted(tag)}");
        Line("---");
    }

    private void Introduction()
    {
        var method = _card.Method switch
        {
            null => "",
            "NLFT" => " by Natural Language Fine-Tuning ([arXiv 2412.20382](https://arxiv.org/abs/2412.20382))",
            "SFT" => " by supervised fine-tuning",
            var other => $" by {Code(other)}",
        };
        Line().Line($"# {Code(Name)}, fine-tuned").Line()
            .Line(_isMerged
                ? $"{Code(_card.BaseModel)}, fine-tuned{method}. The LoRA adapter is merged into the weights: this is a whole model, stored in the "
                    + "types of its base model."
                : $"A LoRA adapter for {Code(_card.BaseModel)}, trained{method}. The base model is not part of it.");
        if (_card.Date is { } date) Line().Line($"Trained on {date.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture)}.");
    }

    private void Data()
    {
        Line().Line("## Data").Line();
        if (_card.Data is not { } data)
        {
            Line("Not recorded.");
            return;
        }
        Line($"{data.Rows} rows: {data.Correct} with a right response, {data.Incorrect} with a wrong one and a judgment of it.");
        if (data.Sources.Count == 0) return;
        Line().Line("Sources:").Line();
        foreach (var source in data.Sources) Line($"- {Code(source)}");
    }

    private void Options()
    {
        Line().Line("## Options");
        if (_card.Options.Count == 0) Line().Line("Not recorded.");
        foreach (var group in _card.Options.GroupBy(option => option.Group))
        {
            Line().Line($"| {Code(group.Key)} | Value |").Line("|---|---|");
            foreach (var option in group) Line($"| {Code(option.Name)} | {Code(option.Value)} |");
        }
    }

    private void Metrics()
    {
        Line().Line("## Metrics").Line();
        if (_card.Training is { } training)
        {
            var planned = training.Cancelled ? $" of {training.TotalSteps}: the run was stopped early" : "";
            Line($"- Steps: {training.Steps}{planned}").Line($"- Tokens seen: {training.TokensSeen}")
                .Line($"- Loss: {Number(training.FirstLoss)} at the first step, {Number(training.LastLoss)} at the last")
                .Line($"- Token accuracy: {Number(training.FirstTokenAccuracy)} at the first step, {Number(training.LastTokenAccuracy)} at the last");
        }
        if (_card.Validation is { } validation) Validation(validation);
        if (_card.Evaluation is { } evaluation)
        {
            var (lower, upper) = Microsoft.ML.Nlft.Evaluation.EvaluationResult.WilsonInterval(evaluation.Correct, evaluation.Total);
            Line($"- Exact match on {Code(evaluation.Name)}: {evaluation.Correct} of {evaluation.Total}, "
                + $"{Percent((double)evaluation.Correct / evaluation.Total)} "
                + $"(95 % Wilson interval {Percent(lower)} to {Percent(upper)}); {evaluation.Unanswered} without a final answer");
        }
        else
        {
            Line(_card.Training is null ? "Not recorded." : "- Not evaluated.");
        }
    }

    private void Validation(ModelCardValidation validation)
    {
        Line($"- Validation: {validation.Rows} rows held out, evaluated {validation.Evaluations} times"
            + (validation.StoppedEarly ? "; the run stopped early, because the evaluations gained nothing" : ""));
        var epoch = validation.BestEpoch.ToString("0.00", CultureInfo.InvariantCulture);
        Line($"- Best validation loss: {Number(validation.BestLoss)} after step {validation.BestStep}, epoch {epoch}"
            + (validation.FirstLoss is { } first ? $"; {Number(first)} before training" : "")
            + (validation.KeptBest ? ". The weights are those of that step" : ". The weights are those of the last step"));
        if (validation.Accuracy is { } accuracy) Line($"- Validation accuracy there: {Percent(accuracy)} of {validation.Answered} questions");
    }

    private void Usage()
    {
        var place = Quoted("models/" + Name);
        Line().Line("## How to use").Line().Line("From .NET, with Microsoft.ML.Nlft:").Line().Line("```csharp");
        Line(_isMerged ? "using var model = LocalModel.Load(\"this-folder\");"
            : $"using var model = LocalModel.Load({place}, new() {{ Adapter = LoraAdapter.Load(\"this-folder\") }});");
        Line("Console.WriteLine(model.Answer([\"What is 2 + 3?\"])[0].Text);").Line("```").Line()
            .Line(_isMerged ? "In an ML.NET pipeline: `mlContext.Nlft().LoadBaseModel(\"this-folder\")`."
                : "In an ML.NET pipeline, where nlft.json lies beside this file: `mlContext.Nlft().Load(\"this-folder\")`.")
            .Line().Line("From Python:").Line().Line("```python").Line("from transformers import AutoModelForCausalLM, AutoTokenizer");
        if (_isMerged)
        {
            Line().Line("tokenizer = AutoTokenizer.from_pretrained(\"this-folder\")")
                .Line("model = AutoModelForCausalLM.from_pretrained(\"this-folder\")");
        }
        else
        {
            Line("from peft import PeftModel").Line().Line($"tokenizer = AutoTokenizer.from_pretrained({Quoted(_card.BaseModel)})")
                .Line($"model = AutoModelForCausalLM.from_pretrained({Quoted(_card.BaseModel)})")
                .Line("model = PeftModel.from_pretrained(model, \"this-folder\")");
        }
        Line("inputs = tokenizer.apply_chat_template([{\"role\": \"user\", \"content\": \"What is 2 + 3?\"}], add_generation_prompt=True, "
            + "return_tensors=\"pt\", return_dict=True)")
            .Line("print(tokenizer.decode(model.generate(**inputs, max_new_tokens=512)[0], skip_special_tokens=True))").Line("```");
    }

    /// <summary>Gets the last part of the base model's name.</summary>
    private string Name => _card.BaseModel.Split('/', '\\')[^1];

    private static string Number(double? value) => value?.ToString("0.0000", CultureInfo.InvariantCulture) ?? "none";

    private static string Percent(double share) => (100 * share).ToString("0.0", CultureInfo.InvariantCulture) + " %";

    private ModelCardMarkdown Line(string line = "")
    {
        _text.Append(line).Append('\n');
        return this;
    }
}
