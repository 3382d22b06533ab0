using Microsoft.ML.Nlft.Packages;

namespace Microsoft.ML.Nlft;

public sealed partial class TextGenerationTransformer
{
    /// <summary>What <c>mlContext.Model.Save</c> calls: see <see cref="ModelZip"/>.</summary>
    void ICanSaveModel.Save(ModelSaveContext ctx) => ModelZip.Save(this, ctx);
}
