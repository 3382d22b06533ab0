using System.CommandLine;
using System.CommandLine.Parsing;
using Microsoft.ML.Nlft.Objectives;
using Microsoft.ML.Nlft.Recipes;
using Microsoft.ML.Nlft.Tool.Options;

namespace Microsoft.ML.Nlft.Tool.Commands;

/// <summary>What is trained: --method names an objective, --recipe an objective with options, which the file and the flags change.</summary>
internal sealed class MethodArguments
{
    private readonly Option<string> _method = new("--method") { HelpName = string.Join('|', TrainingMethod.All.Select(method => method.Name)) };
    private readonly Option<string> _recipe;

    /// <summary>Adds the arguments to a command.</summary>
    /// <param name="command">The command.</param>
    /// <param name="method">The description of --method.</param>
    /// <param name="inRounds">Whether the command trains in rounds, as its recipes then do.</param>
    public MethodArguments(Command command, string method, bool inRounds)
    {
        var recipes = Recipe.All.Where(recipe => recipe.Rounds is not null == inRounds).ToList();
        _method.Description = method;
        _method.AcceptOnlyFromAmong([.. TrainingMethod.All.Select(known => known.Name)]);
        _recipe = new("--recipe")
        {
            Description = "An objective with options that did well; the options file and flags change them. "
                + string.Join("; ", recipes.Select(recipe => $"{recipe.Name}: {recipe.What}")) + ".",
            HelpName = string.Join('|', recipes.Select(recipe => recipe.Name)),
        };
        _recipe.AcceptOnlyFromAmong([.. recipes.Select(recipe => recipe.Name)]);
        command.Add(_method);
        command.Add(_recipe);
        command.Validators.Add(Check);
    }

    /// <summary>Returns the recipe; null: none is named.</summary>
    public Recipe? RecipeOf(ParseResult parsed) => parsed.GetValue(_recipe) is { } name ? Recipe.Of(name) : null;

    /// <summary>Whether the rows are for supervised fine-tuning; null: they say so themselves.</summary>
    public bool? IsSupervised(ParseResult parsed) => parsed.GetValue(_recipe) is not null ? false
        : parsed.GetValue(_method) is { } name ? TrainingMethod.Of(name, false).IsSupervised : null;

    /// <summary>Creates the objective.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="supervised">The kind of objective when none is named.</param>
    /// <param name="options">The options.</param>
    public ITokenObjective Objective(ParseResult parsed, bool supervised, ToolOptions options) =>
        RecipeOf(parsed)?.Objective ?? TrainingMethod.Of(parsed.GetValue(_method), supervised).Objective(options);

    /// <summary>Refuses two names, and options of an objective that is not trained.</summary>
    private void Check(CommandResult result)
    {
        var (method, recipe) = (result.WordAfter(_method), result.WordAfter(_recipe));
        if (method is not null && recipe is not null) result.AddError("--recipe names its method itself: leave --method out.");
        var known = TrainingMethod.All.FirstOrDefault(known => known.Name == method);
        if (recipe is null && known is null) return; // an unknown name is refused as such
        foreach (var flag in result.Command.Options.OfType<OptionFlag>().Where(flag => result.GetResult(flag) is { Implicit: false }))
        {
            var place = flag.Property.Path[0].Name;
            if (place == known?.Section || place is not (nameof(ToolOptions.Objective) or nameof(ToolOptions.SelfDistillation))) continue;
            result.AddError($"{flag.Name}: found it with {(recipe is null ? $"--method {method}" : $"--recipe {recipe}")}, which has no such option. "
                + "Leave it out, or name its method.");
        }
    }
}
