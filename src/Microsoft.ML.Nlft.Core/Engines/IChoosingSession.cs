namespace Microsoft.ML.Nlft.Engines;

/// <summary>A decoding session that can choose tokens itself, so that an engine need not copy the logits of a device to the host.</summary>
public interface IChoosingSession : IDecodingSession
{
    /// <summary>Chooses the next token of some sequences.</summary>
    /// <param name="choices">For every sequence how to choose, or null.</param>
    /// <returns>For every sequence the token, or -1 where there is no choice.</returns>
    /// <exception cref="NlftException">The logits of a chosen sequence are not usable; see <see cref="TokenChoice.RequireUsable"/>.</exception>
    int[] Choose(IReadOnlyList<TokenChoice?> choices);
}
