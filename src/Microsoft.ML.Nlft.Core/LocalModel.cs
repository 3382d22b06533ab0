using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Generation;
using Microsoft.ML.Nlft.Models;
using Microsoft.ML.Nlft.Tokenization;

namespace Microsoft.ML.Nlft;

/// <summary>A model folder ready for use: network, tokenizer and prompts together. What a plain .NET program works with, and what the ML.NET face wraps.</summary>
public sealed class LocalModel : IDisposable
{
    /// <summary>Opens a model folder on an engine.</summary>
    /// <param name="folder">Model folder in Hugging Face layout.</param>
    /// <param name="options">Engine, adapter, what to train, prompts.</param>
    /// <param name="cancellationToken">Observed while weights load.</param>
    public static LocalModel Load(string folder, LocalModelOptions? options = null, CancellationToken cancellationToken = default) => throw new NotSupportedException();

    /// <summary>The opened folder.</summary>
    public ModelFolder Folder => throw new NotSupportedException();

    /// <summary>The network on its engine.</summary>
    public ICausalLanguageModel Network => throw new NotSupportedException();

    /// <summary>The tokenizer.</summary>
    public HuggingFaceTokenizer Tokenizer => throw new NotSupportedException();

    /// <summary>Prompts and rows to token ids.</summary>
    public PromptEncoder Prompts => throw new NotSupportedException();

    /// <summary>Answers questions in one batch.</summary>
    public IReadOnlyList<GeneratedText> Answer(IReadOnlyList<string> questions, GenerationOptions? options = null, CancellationToken cancellationToken = default) =>
        throw new NotSupportedException();

    /// <summary>The adapter as it stands now.</summary>
    public LoraAdapter ExportAdapter() => throw new NotSupportedException();

    /// <inheritdoc/>
    public void Dispose() { }
}

/// <summary>How <see cref="LocalModel"/> opens a folder.</summary>
public sealed record LocalModelOptions
{
    /// <summary>The engine; null: the managed CPU engine.</summary>
    public IModelEngine? Engine { get; init; }

    /// <summary>An adapter to apply, or null.</summary>
    public LoraAdapter? Adapter { get; init; }

    /// <summary>The fresh adapter to create when training LoRA without <see cref="Adapter"/>.</summary>
    public LoraConfiguration? Lora { get; init; }

    /// <summary>What can be trained. Default nothing.</summary>
    public TrainableWeights Trainable { get; init; }

    /// <summary>Wording and limits of the prompts.</summary>
    public PromptOptions Prompts { get; init; } = new();

    /// <summary>Seeds a fresh adapter. Default 42.</summary>
    public int Seed { get; init; } = 42;
}
