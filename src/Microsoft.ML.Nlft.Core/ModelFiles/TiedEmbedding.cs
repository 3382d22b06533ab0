namespace Microsoft.ML.Nlft.ModelFiles;

/// <summary>
/// Decides, as transformers 5 does, whether the output layer of a model shares its embedding matrix: config.json asks for it, but an output layer
/// in the weight files that differs from the embedding counts more.
/// </summary>
internal static class TiedEmbedding
{
    /// <summary>
    /// Returns the configuration that fits the weights: not tied if the files hold an output layer of its own. If they hold only an output layer, the
    /// embedding becomes another name for it.
    /// </summary>
    public static ModelConfiguration Resolve(ModelConfiguration configuration, ModelWeights weights)
    {
        var (embedding, head) = (ModelLayout.Embedding(configuration), ModelLayout.Head(configuration));
        if (!configuration.TieWordEmbeddings || !weights.Contains(head.Name)) return configuration;
        weights.Require(head.Name, head.Shape);
        if (!weights.Contains(embedding.Name))
        {
            weights.AddName(embedding.Name, head.Name);
            return configuration;
        }
        weights.Require(embedding.Name, embedding.Shape);
        return configuration with { TieWordEmbeddings = AreEqual(configuration, weights) };
    }

    /// <summary>Compares row by row up to the first difference. Only rows whose bytes differ are compared as numbers.</summary>
    private static bool AreEqual(ModelConfiguration configuration, ModelWeights weights)
    {
        var (embedding, head) = (Rows(ModelLayout.Embedding(configuration).Name), Rows(ModelLayout.Head(configuration).Name));
        var (expected, found) = (new float[configuration.HiddenSize], new float[configuration.HiddenSize]);
        for (var row = 0; row < configuration.VocabularySize; row++)
        {
            if (embedding.Type == head.Type && embedding.Bytes(row).SequenceEqual(head.Bytes(row))) continue;
            embedding.Read(row, expected);
            head.Read(row, found);
            if (!expected.AsSpan().SequenceEqual(found)) return false;
        }
        return true;

        TensorRows Rows(string name) => new(weights.Tensor(name), configuration.HiddenSize);
    }
}
