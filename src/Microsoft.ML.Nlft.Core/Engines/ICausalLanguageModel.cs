using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.Engines;

/// <summary>
/// A causal language model on an engine: the narrow contract between tensors and the rest of the library. An engine scores tokens and
/// back-propagates a coefficient for each; it knows nothing about objectives, prompts or schedules.
/// </summary>
/// <remarks>
/// Not thread-safe: the caller serializes calls. Results depend neither on the number of threads nor, beyond rounding, on how sequences are split
/// into batches. The sequences of a batch may differ in length.
/// </remarks>
public interface ICausalLanguageModel : IDisposable
{
    /// <summary>The architecture, as config.json gives it.</summary>
    ModelConfiguration Configuration { get; }

    /// <summary>The adapter's configuration, or null without one.</summary>
    LoraConfiguration? Lora { get; }

    /// <summary>The weights that can be trained.</summary>
    TrainableWeights Trainable { get; }

    /// <summary>Scores the response tokens of every sequence without dropout and without keeping activations for a gradient.</summary>
    /// <param name="batch">Sequences to score.</param>
    /// <param name="hiddenStates">Whether to fill <see cref="TokenScores.HiddenStates"/>.</param>
    /// <param name="cancellationToken">Observed between layers.</param>
    /// <returns>One entry per sequence, in order.</returns>
    /// <exception cref="NlftException">A token id lies outside the vocabulary, or a sequence is longer than the model allows.</exception>
    IReadOnlyList<TokenScores> Score(IReadOnlyList<TokenSequence> batch, bool hiddenStates = false, CancellationToken cancellationToken = default);

    /// <summary>Scores the response tokens of every sequence with dropout, and keeps what <see cref="IForwardPass.Backward"/> needs.</summary>
    /// <exception cref="InvalidOperationException">Nothing is trainable.</exception>
    IForwardPass Forward(IReadOnlyList<TokenSequence> batch, bool hiddenStates = false, CancellationToken cancellationToken = default);

    /// <summary>
    /// Clips the accumulated gradients to a global norm, takes one AdamW step and clears them. If the norm is NaN or infinite, clears the
    /// gradients, leaves weights and optimizer state unchanged, and returns that norm.
    /// </summary>
    /// <returns>The global L2 norm of the gradients before clipping.</returns>
    double ApplyGradients(AdamWOptions options, double learningRate);

    /// <summary>Clears the accumulated gradients.</summary>
    void ClearGradients();

    /// <summary>Returns copies of the named tensors of one kind.</summary>
    IReadOnlyList<NamedTensor> Export(ModelState state);

    /// <summary>Replaces the tensors of one kind by the given ones, which must be exactly those that <see cref="Export"/> names.</summary>
    /// <exception cref="NlftException">A name or a shape does not fit.</exception>
    void Import(ModelState state, IReadOnlyList<NamedTensor> tensors);

    /// <summary>Reads the prompts into a key/value cache and returns a session that generates the next tokens.</summary>
    /// <param name="prompts">One or more non-empty prompts.</param>
    /// <param name="maximumNewTokens">Most tokens that will be appended to each.</param>
    /// <param name="cancellationToken">Observed between layers.</param>
    IDecodingSession StartDecoding(IReadOnlyList<ReadOnlyMemory<int>> prompts, int maximumNewTokens, CancellationToken cancellationToken = default);
}

/// <summary>The tensors that <see cref="ICausalLanguageModel.Export"/> and Import transfer.</summary>
public enum ModelState
{
    /// <summary>The trainable weights (or, on a model loaded for inference, the adapter's).</summary>
    Weights,

    /// <summary>The accumulated gradients, under the names of their weights.</summary>
    Gradients,

    /// <summary>AdamW's state: <c>NAME.exp_avg</c>, <c>NAME.exp_avg_sq</c> for every weight, and one scalar <c>step</c>.</summary>
    Optimizer,
}

/// <summary>Represents a forward pass that can be differentiated once.</summary>
public interface IForwardPass : IDisposable
{
    /// <summary>The scores, one entry per sequence.</summary>
    IReadOnlyList<TokenScores> Scores { get; }

    /// <summary>
    /// Adds the gradient of a loss to the accumulated gradients. The loss is -sum c_tk log p(k | position t) with c constant, over the response
    /// token and the candidates k of every position: its gradient with respect to the logits there is (sum_k c_tk) softmax - sum_k c_tk onehot(k)
    /// (docs/method.md, section 3).
    /// </summary>
    /// <param name="coefficients">
    /// For every sequence n coefficients, of its response tokens; or n (1 + K), at every position that of the response token and then those of its
    /// <see cref="TokenSequence.Candidates"/>. An empty entry counts as zeros.
    /// </param>
    /// <param name="cancellationToken">
    /// Observed between layers; a cancelled call leaves the gradients unusable until they are applied or cleared.
    /// </param>
    void Backward(IReadOnlyList<ReadOnlyMemory<float>> coefficients, CancellationToken cancellationToken = default);
}

/// <summary>Computes the next-token logits of several sequences that are generated in one batch, with a key/value cache.</summary>
public interface IDecodingSession : IDisposable
{
    /// <summary>Number of sequences.</summary>
    int Count { get; }

    /// <summary>
    /// Returns the logits after the last token of sequence <paramref name="sequence"/>: V values, valid until the next <see cref="Append"/>.
    /// </summary>
    ReadOnlySpan<float> Logits(int sequence);

    /// <summary>Returns how many tokens of a prompt were not computed, because the model kept them of an earlier prompt; by default 0.</summary>
    int CachedTokens(int sequence) => 0;

    /// <summary>Appends one token to each sequence and computes its logits; a negative id retires a sequence permanently.</summary>
    void Append(ReadOnlySpan<int> tokens, CancellationToken cancellationToken = default);
}
