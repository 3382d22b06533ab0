using Microsoft.ML.Nlft.Models;
using Microsoft.ML.Nlft.Tokenization;

namespace Microsoft.ML.Nlft.Generation;

/// <summary>Generates answers in batches on any engine.</summary>
public sealed class TextGenerator
{
    /// <summary>Creates a generator.</summary>
    public TextGenerator(ICausalLanguageModel model, HuggingFaceTokenizer tokenizer, IReadOnlyCollection<int> stopIds) => throw new NotSupportedException();

    /// <summary>Generates one answer per prompt.</summary>
    public IReadOnlyList<GeneratedText> Generate(IReadOnlyList<int[]> prompts, GenerationOptions options, CancellationToken cancellationToken = default) =>
        throw new NotSupportedException();
}
