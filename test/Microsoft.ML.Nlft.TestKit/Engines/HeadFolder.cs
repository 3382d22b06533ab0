using System.Text;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.TestKit;

/// <summary>Where the output layer of a model folder is. In all but one, config.json says that it is tied to the embedding.</summary>
public enum HeadPlace
{
    /// <summary>Beside the embedding, with values of its own.</summary>
    OwnHead,

    /// <summary>Beside the embedding, with the same values.</summary>
    EqualHead,

    /// <summary>In place of the embedding.</summary>
    HeadAlone,

    /// <summary>Nowhere: the embedding is the output layer.</summary>
    EmbeddingAlone,

    /// <summary>Beside the embedding, with values of its own, as config.json says.</summary>
    Untied,
}

/// <summary>Writes a tied model again with its output layer in another place.</summary>
public static class HeadFolder
{
    private const string Embedding = "model.embed_tokens.weight", Head = "lm_head.weight";

    /// <summary>Writes and opens the model.</summary>
    public static ModelFolder Create(ModelFolder tied, HeadPlace place)
    {
        var path = TinyModels.NewFolder();
        var hasTwo = place is not (HeadPlace.HeadAlone or HeadPlace.EmbeddingAlone);
        var configuration = tied.Configuration with { TieWordEmbeddings = !hasTwo };
        ModelFolderWriter.Write(path, configuration, [.. ModelLayout.Weights(configuration).Select(Weight)], TensorType.F32);
        if (hasTwo && place != HeadPlace.Untied) Replace("config.json", "\"tie_word_embeddings\": false", "\"tie_word_embeddings\": true");
        if (place == HeadPlace.HeadAlone)
            Replace("model.safetensors", $"\"{Embedding}\":", $"\"{Head}\":".PadRight($"\"{Embedding}\":".Length)); // the header keeps its length
        return ModelFolder.Open(path);

        NamedTensor Weight(WeightShape weight)
        {
            var values = tied.Tensor(weight.Name == Head ? Embedding : weight.Name, weight.Shape).ToArray();
            if (weight.Name == Head && place != HeadPlace.EqualHead) Array.Reverse(values);
            return new NamedTensor(weight.Name, [.. weight.Shape.Select(size => (int)size)], values);
        }

        void Replace(string name, string old, string replacement)
        {
            var file = Path.Combine(path, name);
            var text = Encoding.Latin1.GetString(File.ReadAllBytes(file));
            if (!text.Contains(old, StringComparison.Ordinal)) throw new InvalidOperationException($"{name} has no {old}");
            File.WriteAllBytes(file, Encoding.Latin1.GetBytes(text.Replace(old, replacement, StringComparison.Ordinal)));
        }
    }
}
