using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Generation;

namespace Microsoft.ML.Nlft.Chat;

/// <summary>How a <see cref="LocalChatClient"/> works.</summary>
public sealed record LocalChatClientOptions
{
    /// <summary>
    /// How answers are generated where a request's <c>ChatOptions</c> say nothing. Null: as the saved model says, else the most likely answer of
    /// at most 512 tokens. <see cref="GenerationOptions.MaximumBatchSize"/> is the most requests that are answered together.
    /// </summary>
    public GenerationOptions? Generation { get; init; }

    /// <summary>The model's name in responses and metadata. Null: the name of its folder.</summary>
    public string? ModelId { get; init; }

    /// <summary>Where the base model of a saved model lies now. Null: where it lay when the model was saved. Used by <see cref="NlftModel.LoadChatClient"/> only.</summary>
    public string? BaseModelFolder { get; init; }

    /// <summary>The engine. Null: the managed CPU engine. Used by <see cref="NlftModel.LoadChatClient"/> only.</summary>
    public IModelEngine? Engine { get; init; }

    /// <summary>Dates the responses. Default the system's clock.</summary>
    public TimeProvider TimeProvider { get; init; } = TimeProvider.System;
}
