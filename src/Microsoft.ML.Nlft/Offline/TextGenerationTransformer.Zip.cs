namespace Microsoft.ML.Nlft;

public sealed partial class TextGenerationTransformer
{
    /// <summary>The offline stand-in for ML.NET has no model zip.</summary>
    void ICanSaveModel.Save(ModelSaveContext ctx) =>
        throw new NotSupportedException(
            "mlContext.Model.Save needs the Microsoft.ML package; this build has the offline stand-in. Use mlContext.Nlft().Save.");
}
