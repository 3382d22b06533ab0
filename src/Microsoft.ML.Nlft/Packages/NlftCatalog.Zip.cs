using Microsoft.ML.Data;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Packages;

namespace Microsoft.ML.Nlft;

public sealed partial class NlftCatalog
{
    /// <summary>
    /// Puts <see cref="TextGenerationTransformer"/> back into a model that <c>mlContext.Model.Load</c> returned. The loaded model works as it is, one
    /// row at a time on the managed engine; the restored one answers in batches, can move to another engine or another place of the base model, and
    /// can be disposed.
    /// </summary>
    /// <param name="loaded">What <c>mlContext.Model.Load</c> returned.</param>
    /// <param name="modelFolder">Where the base model lies now; null: where it lay when the model was saved.</param>
    /// <param name="engine">The engine; null: the managed CPU engine.</param>
    /// <returns>The same transforms in the same order; dispose the chain when it is no longer needed.</returns>
    /// <exception cref="NlftException">No text generation in it, or the base model is not the one the adapter was trained on.</exception>
    public TransformerChain<ITransformer> Restore(ITransformer loaded, string? modelFolder = null, IModelEngine? engine = null)
    {
        ArgumentNullException.ThrowIfNull(loaded);
        return ModelZip.Restore(loaded, modelFolder, EngineChoice.Of(_mlContext, engine));
    }
}
