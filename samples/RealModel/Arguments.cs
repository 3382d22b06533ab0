using System.Globalization;
using Microsoft.ML.Nlft;

namespace RealModel;

/// <summary>What the command line says.</summary>
/// <param name="Model">The GGUF file of the base model, or a model folder.</param>
/// <param name="Questions">Questions to train on; three tenths as many are held out for validation, twice as many test.</param>
/// <param name="MaximumNewTokens">The longest answer, in tokens.</param>
internal sealed record Arguments(string Model, int Questions, int MaximumNewTokens)
{
    private const string DefaultModel = "models/smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf";

    /// <summary>Reads <c>--model PATH --questions N --maximum-new-tokens N</c>, each of which may be missing.</summary>
    /// <param name="arguments">The arguments.</param>
    /// <param name="data">The folder of shared data, where the default model is.</param>
    /// <exception cref="NlftException">An argument is unknown, has no value, or one out of range.</exception>
    public static Arguments Read(IReadOnlyList<string> arguments, string data)
    {
        var read = new Arguments(Path.GetFullPath(Path.Combine(data, DefaultModel)), Questions: 100, MaximumNewTokens: 64);
        for (var i = 0; i < arguments.Count; i += 2)
        {
            var value = i + 1 < arguments.Count ? arguments[i + 1] : "";
            read = arguments[i] switch
            {
                "--model" when value.Length > 0 => read with { Model = Path.GetFullPath(value) },
                "--model" => throw new NlftException("--model", "nothing", "a GGUF file or a model folder", "Name the model after it."),
                "--questions" => read with { Questions = Number(arguments[i], value, 4) },
                "--maximum-new-tokens" => read with { MaximumNewTokens = Number(arguments[i], value, 1) },
                var other => throw new NlftException("the arguments", other, "--model, --questions or --maximum-new-tokens", "Leave it out."),
            };
        }
        return read;
    }

    private static int Number(string name, string value, int least) =>
        int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number >= least ? number
            : throw new NlftException(name, value.Length > 0 ? value : "nothing", $"a whole number, {least} or more",
                "Leave it out for the default.");
}
