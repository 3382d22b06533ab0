namespace Microsoft.ML.Nlft.ModelFiles;

/// <summary>
/// Decides, as transformers 5 does, whether the output layer of a model shares its embedding matrix: config.json asks for it, but an output layer
/// in the weight files that differs from the embedding counts more.
/// </summary>
internal static class TiedEmbedding
{
    public const string Embedding = "model.embed_tokens.weight";
    public const string Head = "lm_head.weight";

    /// <summary>
    /// Returns the configuration that fits the weights: not tied if the files hold an output layer of its own. If they hold only an output layer, the
    /// embedding becomes another name for it.
    /// </summary>
    public static ModelConfiguration Resolve(ModelConfiguration configuration, ModelWeights weights)
    {
        if (!configuration.TieWordEmbeddings || !weights.Contains(Head)) return configuration;
        long[] shape = [configuration.VocabularySize, configuration.HiddenSize];
        weights.Require(Head, shape);
        if (!weights.Contains(Embedding))
        {
            weights.AddName(Embedding, Head);
            return configuration;
        }
        weights.Require(Embedding, shape);
        return configuration with { TieWordEmbeddings = AreEqual(configuration, weights) };
    }

    private static bool AreEqual(ModelConfiguration configuration, ModelWeights weights)
    {
        var (embedding, head) = (Rows(Embedding), Rows(Head));
        var (expected, found) = (new float[configuration.HiddenSize], new float[configuration.HiddenSize]);
        for (var row = 0; row < configuration.VocabularySize; row++)
        {
            embedding.Read(row, expected);
            head.Read(row, found);
            if (!expected.AsSpan().SequenceEqual(found)) return false;
        }
        return true;

        TensorRows Rows(string name) => new(weights.Tensor(name), configuration.HiddenSize);
    }
}
