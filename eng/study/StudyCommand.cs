using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;

namespace Microsoft.ML.Nlft.Study;

/// <summary>The command line of the study.</summary>
internal sealed class StudyCommand : RootCommand
{
    private static readonly int[] s_informed = [10, 25, 50];
    private static readonly double[] s_informedRates = [1e-4, 3e-4, 1e-3, 3e-3, 1e-2], s_realRates = [1e-4, 5e-4, 2e-3];
    private static readonly StudyOptions s_full = new(), s_quick = new() { Seeds = 1, Rows = [25, 50] };

    private readonly Option<bool> _quick = new("--quick") { Description = "One seed, 25 and 50 rows." };
    private readonly Option<bool> _variants = new("--variants") { Description =
        "Compares NLFT with one option changed at a time; writes docs/study-variants.md." };
    private readonly Option<bool> _earlyStopping = new("--early-stopping")
    {
        Description = "Compares the epoch that early stopping picks with the best one; prints a table.",
    };
    private readonly Option<bool> _reinforced = new("--reinforced")
    {
        Description = "Sets NLFT beside reinforced fine-tuning: accuracy, time and memory; prints a table.",
    };
    private readonly Option<bool> _informed = new("--informed")
    {
        Description = "Compares methods that may all read the worked solution; writes docs/study-informed.md.",
    };
    private readonly Option<bool> _real = new("--real")
    {
        Description = "Compares methods with SmolLM2-135M-Instruct, or --model; writes docs/study-real.md.",
    };
    private readonly Option<string?> _model = new("--model")
    {
        Description = "The real model: a GGUF file or a folder. Default: the one among the shared data.",
        HelpName = "FILE",
    };
    private readonly Option<int?> _seeds = new("--seeds")
    {
        Description = $"Seeds per cell, 1 or more. Default: {s_full.Seeds}.",
        HelpName = "N",
        Arity = ArgumentArity.ExactlyOne,
        CustomParser = result => WholeNumber(result.Tokens[0].Value) ?? Refuse<int?>(result, "a whole number, 1 or more"),
    };
    private readonly Option<int[]?> _rows = new("--rows")
    {
        Description = $"Numbers of rows. Default: {string.Join(',', s_full.Rows)}.",
        HelpName = "N,N",
        Arity = ArgumentArity.ExactlyOne,
        CustomParser = result => List(result, WholeNumber, "whole numbers, 1 or more"),
    };
    private readonly Option<double[]?> _rates = new("--rates")
    {
        Description = "Learning rates to search.",
        HelpName = "RATE,RATE",
        Arity = ArgumentArity.ExactlyOne,
        CustomParser = result => List(result, Rate, "numbers above 0"),
    };
    private readonly Option<string[]?> _families = new("--families")
    {
        Description = "Families. Default: all.",
        HelpName = "NAME,NAME",
        Arity = ArgumentArity.ExactlyOne,
        CustomParser = result => result.Tokens[0].Value.Split(',') is var names
            && names.All(name => StudyFamily.All.Any(family => family.Name == name)) ? names
            : Refuse<string[]>(result, string.Join(", ", StudyFamily.All.Select(family => family.Name))),
    };
    private readonly Option<string?> _output = new("--output")
    {
        Description = "The page. Default: docs/study.md, docs/study-variants.md, docs/study-informed.md or docs/study-real.md. "
            + "Its plot is written to the folder images beside it.",
        HelpName = "FILE",
    };

    /// <summary>Creates the command line.</summary>
    /// <param name="run">Runs the study; returns the exit code.</param>
    public StudyCommand(Func<StudyOptions, Task<int>> run)
        : base("Compares NLFT with supervised fine-tuning on the tiny base model and writes docs/study.md. A stopped study resumes.")
    {
        Option[] options = [_quick, _variants, _earlyStopping, _reinforced, _informed, _real, _model, _seeds, _rows, _rates, _families, _output];
        foreach (var option in options) Options.Add(option);
        SetAction((parsed, _) => run(Read(parsed)));
    }

    /// <summary>Reads the options from a parsed command line without errors.</summary>
    public StudyOptions Read(ParseResult parsed)
    {
        var size = parsed.GetValue(_quick) ? s_quick : s_full;
        return size with
        {
            Seeds = parsed.GetValue(_seeds) ?? size.Seeds,
            Rows = parsed.GetValue(_rows) is { Length: > 0 } rows ? rows : parsed.GetValue(_informed) ? s_informed : size.Rows,
            Rates = parsed.GetValue(_rates) is { Length: > 0 } rates ? rates : parsed.GetValue(_real) ? s_realRates
                : parsed.GetValue(_informed) ? s_informedRates : size.Rates,
            Families = parsed.GetValue(_families) ?? size.Families,
            Variants = parsed.GetValue(_variants),
            EarlyStopping = parsed.GetValue(_earlyStopping),
            Reinforced = parsed.GetValue(_reinforced),
            Informed = parsed.GetValue(_informed),
            Real = parsed.GetValue(_real),
            Model = parsed.GetValue(_model),
            Output = parsed.GetValue(_output),
            CommandLine = string.Join(' ', parsed.Tokens.Select(token => token.Value)),
        };
    }

    private static int? WholeNumber(string text) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number is > 0 and < 1_000_000 ? number : null;

    private static double? Rate(string text) => double.TryParse(text, CultureInfo.InvariantCulture, out var rate) && rate > 0 ? rate : null;

    /// <summary>Reads distinct values in ascending order from a list with commas.</summary>
    private static T[]? List<T>(ArgumentResult result, Func<string, T?> read, string expected)
        where T : struct
    {
        var values = Array.ConvertAll(result.Tokens[0].Value.Split(','), text => read(text));
        return Array.TrueForAll(values, value => value is not null) ? [.. values.OfType<T>().Distinct().Order()] : Refuse<T[]>(result, expected);
    }

    private static T? Refuse<T>(ArgumentResult result, string expected)
    {
        result.AddError($"{((OptionResult)result.Parent!).Option.Name}: found \"{result.Tokens[0].Value}\"; expected {expected}.");
        return default;
    }
}
