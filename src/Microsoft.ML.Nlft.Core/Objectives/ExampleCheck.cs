using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.Objectives;

/// <summary>Refuses rows that a model and an objective cannot work with, by name, before any time is spent on them.</summary>
internal static class ExampleCheck
{
    /// <summary>The contexts an objective can name, one by one, in the order of the spec.</summary>
    public static readonly PromptContexts[] AllContexts = [PromptContexts.Base, PromptContexts.Judge, PromptContexts.Standard];

    /// <summary>Checks that every row has the contexts that the objective reads, and that each fits the model.</summary>
    /// <exception cref="NlftException">Names the row, the context and the numbers.</exception>
    public static void Validate(IReadOnlyList<EncodedExample> examples, ITokenObjective objective, ModelConfiguration model)
    {
        ArgumentNullException.ThrowIfNull(examples);
        if (examples.Count == 0) throw new NlftException("training rows", "none", "one or more", "Check the file or the filter the rows come from.");
        foreach (var example in examples)
        {
            if (example.Response.IsEmpty)
                throw new NlftException($"{example.Source}, response", "no tokens", "one or more", "Leave the row out or give it a response.");
            if (example.CountedTokens == 0)
            {
                throw new NlftException($"{example.Source}, response", "no token that counts in the loss", "one or more",
                    "Leave the row out, or let one of its tokens count.");
            }
            var needed = objective.ScoredContexts(example.Polarity) | objective.TrainedContexts(example.Polarity) | PromptContexts.Base;
            foreach (var context in AllContexts.Where(c => needed.HasFlag(c))) Validate(example, context, objective, model);
        }
    }

    private static void Validate(EncodedExample example, PromptContexts context, ITokenObjective objective, ModelConfiguration model)
    {
        var prompt = example.Prompt(context);
        var place = $"{example.Source}, {Name(context)} context";
        if (prompt.IsEmpty)
        {
            throw new NlftException(place, "no prompt",
                $"one, because the {objective.Name} objective scores it for {Name(example.Polarity)} responses",
                $"Give the row {(context == PromptContexts.Judge ? "a judgment" : "the missing text")}, or use another objective.");
        }
        var length = prompt.Length + example.Response.Length;
        if (length > model.MaximumPositions)
        {
            throw new NlftException(place, $"{length} tokens", $"at most {model.MaximumPositions} (max_position_embeddings)",
                "Lower PromptOptions.MaximumTokens so that the prompt is cut, or shorten the response.");
        }
        TokenCheck.RequireInVocabulary(prompt.Span, $"{place}, prompt", model);
        TokenCheck.RequireInVocabulary(example.Response.Span, $"{example.Source}, response", model);
    }

    /// <summary>Lower-case name for messages.</summary>
    public static string Name<T>(T value) where T : struct, Enum => value.ToString().ToLowerInvariant();
}
