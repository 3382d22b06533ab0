using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Generation;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.Chat;

/// <summary>The options of a <see cref="LocalChatClient"/>.</summary>
public sealed record LocalChatClientOptions
{
    /// <summary>
    /// The generation options that a request's <c>ChatOptions</c> do not set. Default null: those of the saved model, else greedy decoding of at most
    /// 512 tokens. <see cref="GenerationOptions.MaximumBatchSize"/> limits the requests in a batch.
    /// </summary>
    public GenerationOptions? Generation { get; init; }

    /// <summary>The model's name in responses and metadata. Default null: the name of its folder.</summary>
    public string? ModelId { get; init; }

    /// <summary>
    /// The base model of a saved model, as a folder or a name. Default null: the one that the saved model names. Used by
    /// <see cref="NlftModel.LoadChatClient"/> only.
    /// </summary>
    public string? BaseModelFolder { get; init; }

    /// <summary>
    /// Finds models by name. Default null: in the folders of NLFT_MODELS and in the Hugging Face cache. Used by
    /// <see cref="NlftModel.LoadChatClient"/> only.
    /// </summary>
    public ModelLocator? Locator { get; init; }

    /// <summary>The engine. Default null: the managed CPU engine. Used by <see cref="NlftModel.LoadChatClient"/> only.</summary>
    public IModelEngine? Engine { get; init; }

    /// <summary>The clock for response times. Default: the system clock.</summary>
    public TimeProvider TimeProvider { get; init; } = TimeProvider.System;
}
