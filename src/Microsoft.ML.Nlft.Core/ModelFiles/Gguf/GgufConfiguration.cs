using Microsoft.ML.Nlft.Common;

namespace Microsoft.ML.Nlft.ModelFiles;

/// <summary>Translates the metadata of a GGUF file to the config.json of the same model.</summary>
internal static class GgufConfiguration
{
    private static readonly string[] s_ends = ["eos", "eot", "eom"];

    /// <exception cref="NlftException">The architecture, a key or its value is not supported, or a key is missing.</exception>
    public static byte[] ToJson(GgufModel model)
    {
        var architecture = GgufArchitecture.Of(model.Metadata);
        var known = architecture.Model;
        var keys = new GgufKeys(model, architecture.Name);
        var (hidden, heads, positions) = (keys.Required("embedding_length"), keys.Required("attention.head_count"), keys.Required("context_length"));
        if (heads == 0) throw keys.Refuse("attention.head_count", "an integer above 0");
        var headSize = keys.Integer("attention.key_length") ?? hidden / heads;
        var keyHeads = keys.Integer("attention.head_count_kv") ?? heads;
        int[] ends = [.. s_ends.Select(TokenId).OfType<int>().Distinct()];
        var config = new SortedDictionary<string, object?>(StringComparer.Ordinal)
        {
            ["architectures"] = new[] { known.CausalClass },
            ["bos_token_id"] = TokenId("bos"),
            ["eos_token_id"] = ends switch { [] => null, [var one] => one, _ => ends },
            [known.ActivationKey] = ModelConfigurationWriter.NameOf(known.Activation),
            [known.Key("hidden_size")] = hidden,
            [known.Key("intermediate_size")] = keys.Required("feed_forward_length"),
            [known.Key("max_position_embeddings")] = positions,
            ["model_type"] = architecture.ModelType,
            [known.Key("num_attention_heads")] = heads,
            [known.Key("num_hidden_layers")] = keys.Required("block_count"),
            [known.Key("rms_norm_eps")] = keys.Number(architecture.NormEpsilonKey)
                ?? throw keys.Refuse(architecture.NormEpsilonKey, "a number above 0"),
            ["tie_word_embeddings"] = !model.Tensors.ContainsKey(GgufArchitecture.Head),
            ["torch_dtype"] = DataType(model),
            ["vocab_size"] = VocabularySize(model),
        };
        if (known.GroupedHeads)
        {
            (config["head_dim"], config["num_key_value_heads"]) = (headSize, keyHeads);
        }
        else
        {
            const string Alike = "Use a model whose heads are alike and as wide as the model together.";
            keys.Require("attention.key_length", headSize, hidden / heads, Alike);
            keys.Require("attention.head_count_kv", keyHeads, heads, Alike);
        }
        if (!known.LearnedPositions) AddRotation(keys, known, headSize, positions, config);
        architecture.Settings?.Invoke(keys, config);
        RequireKnown(keys, headSize, known);
        return HuggingFaceJson.Write(config);

        int? TokenId(string role) => model.Metadata.Integer($"tokenizer.ggml.{role}_token_id");
    }

    private static void AddRotation(GgufKeys keys, ModelArchitecture known, int headSize, int positions, IDictionary<string, object?> config)
    {
        var theta = keys.Number("rope.freq_base") ?? 10000;
        var rotated = keys.Integer("rope.dimension_count") ?? headSize;
        if (rotated > headSize || !known.PartialRotation)
            keys.Require("rope.dimension_count", rotated, headSize, "Use a model that rotates whole heads.");
        config["rope_scaling"] = GgufRope.Scaling(keys, theta, rotated, headSize, positions);
        config[known.Key("rope_theta")] = theta;
        if (!known.PartialRotation) return;
        var share = (double)rotated / headSize;
        if ((int)(headSize * share) < rotated) share = Math.BitIncrement(share); // the quotient was rounded down
        config[known.Key("partial_rotary_factor")] = share;
    }

    /// <summary>Refuses the keys of layers and positions that config.json has no word for.</summary>
    private static void RequireKnown(GgufKeys keys, int headSize, ModelArchitecture known)
    {
        const string Other = "Use a model without that.";
        keys.Require("attention.value_length", keys.Integer("attention.value_length"), headSize, "Use a model whose keys and values have one size.");
        if (known.Experts is null)
        {
            keys.Require("expert_count", keys.Integer("expert_count"), 0, Other);
            keys.Require("expert_used_count", keys.Integer("expert_used_count"), 0, Other);
        }
        keys.Ignore("vocab_size", "tensor_data_layout", "rope.scaling.finetuned");
        keys.RequireAllRead();
    }

    /// <summary>The number of rows of the embedding, which may be more than the vocabulary has tokens.</summary>
    private static long VocabularySize(GgufModel model) =>
        model.Tensors.TryGetValue(GgufArchitecture.Embedding, out var embedding) ? embedding.Entry.Shape[0]
        : throw new NlftException($"{model.Path}, tensor \"{GgufArchitecture.Embedding}\"", "no such tensor", "the embedding of the tokens",
            model.Tensors.Count == 0 ? "The file holds a vocabulary alone: use the file of a model." : "Use the file of a whole model.");

    private static string DataType(GgufModel model) => model.Tensors.TryGetValue(GgufArchitecture.Embedding, out var embedding)
        ? embedding.Entry.Type.Lossless().TorchName() : TensorType.F32.TorchName();
}
