using Microsoft.ML.Nlft.Common;

namespace Microsoft.ML.Nlft.ModelFiles;

/// <summary>Writes model folders in Hugging Face layout: config.json and model.safetensors, written atomically.</summary>
public static class ModelFolderWriter
{
    /// <summary>Where transformers keeps chat templates besides the default one.</summary>
    internal const string AdditionalTemplates = "additional_chat_templates";

    /// <summary>Writes a model whose weights are in memory.</summary>
    /// <param name="folder">The folder; created when missing.</param>
    /// <param name="configuration">The architecture; <see cref="ModelConfiguration.DataType"/> gives way to <paramref name="type"/>.</param>
    /// <param name="tensors">Exactly the weights of <see cref="ModelLayout.Weights"/>, in any order.</param>
    /// <param name="type">Element type of the file: F32, F16, BF16 or F64.</param>
    /// <exception cref="NlftException">The configuration is not possible, a weight is missing, unknown, or has another shape.</exception>
    public static void Write(string folder, ModelConfiguration configuration, IReadOnlyList<NamedTensor> tensors, TensorType type)
    {
        ArgumentNullException.ThrowIfNull(configuration);
        ArgumentNullException.ThrowIfNull(tensors);
        configuration.Validate();
        RequireLayout(folder, configuration, tensors);
        Write(folder, ModelConfigurationWriter.ToJson(configuration, type), tensors.Select(tensor => SafetensorsSource.From(tensor, type)));
    }

    /// <summary>
    /// Copies a model with other weights, one tensor at a time. config.json is copied byte for byte except its dtype (torch_dtype), its
    /// tie_word_embeddings where the output layer is not tied after all, and a byte order mark, which is left out; tokenizer, templates and other
    /// small files are copied. The output layer of a tied model, where the files hold one, is given the values of the embedding.
    /// </summary>
    /// <param name="folder">The new folder.</param>
    /// <param name="source">The model to copy.</param>
    /// <param name="replace">Gives the new values of a tensor (as many as its shape says), or null to keep the stored ones.</param>
    /// <param name="type">Element type of the new file; null: every tensor keeps its own.</param>
    /// <exception cref="NlftException"><paramref name="folder"/> is the source folder, or other values were given than a shape says.</exception>
    public static void Copy(string folder, ModelFolder source, Func<TensorData, float[]?> replace, TensorType? type = null)
    {
        ArgumentNullException.ThrowIfNull(source);
        ArgumentNullException.ThrowIfNull(replace);
        if (source.IsAt(folder))
            throw new NlftException(folder, "the folder of the model itself", "another folder", "Write the new model beside the old one.");
        var tensors = source.TensorNames.Select(name =>
        {
            var tensor = source.RawTensor(name);
            var target = tensor.Type.IsSupportedFloat() ? type ?? tensor.Type : tensor.Type;
            var weight = tensor with { Name = source.WeightOf(name) };
            return new SafetensorsSource(name, target, tensor.Shape, stream => WriteTensor(stream, weight, target, replace));
        });
        var configuration = type is { } changed ? ConfigurationEdit.WithDataType(source.ConfigurationJson, changed) : source.ConfigurationJson;
        Write(folder, configuration, tensors,
            source.Documents.Companions.Select(name =>
                (Path.Combine(folder, name), (Action<Stream>)(stream => source.Documents.Write(name, stream)))));
    }

    internal static void Write(string folder, byte[] configurationJson, IEnumerable<SafetensorsSource> tensors,
        IEnumerable<(string, Action<Stream>)>? companions = null)
    {
        if (File.Exists(Path.Combine(folder, ModelWeights.IndexFile)))
        {
            throw new NlftException(Path.Combine(folder, ModelWeights.IndexFile), "a sharded model",
                "an empty folder, or one with a single weight file", "Write to another folder.");
        }
        var weights = Path.Combine(folder, ModelWeights.SingleFile);
        AtomicFile.WriteAll([.. companions ?? [], (weights, stream => SafetensorsWriter.WriteTo(stream, weights, tensors)),
            (Path.Combine(folder, "config.json"), stream => stream.Write(configurationJson))]);
    }

    private static void WriteTensor(Stream stream, TensorData tensor, TensorType target, Func<TensorData, float[]?> replace)
    {
        var values = tensor.Type.IsSupportedFloat() ? replace(tensor) : null;
        if (values is null && target == tensor.Type) stream.Write(tensor.Bytes.Span);
        else SafetensorsSource.FromFloats(tensor.Name, target, tensor.Shape, () => values ?? tensor.ToArray()).Write(stream);
    }

    private static void RequireLayout(string folder, ModelConfiguration configuration, IReadOnlyList<NamedTensor> tensors)
    {
        var missing = ModelLayout.Weights(configuration).ToDictionary(weight => weight.Name, weight => weight.Shape);
        foreach (var tensor in tensors)
        {
            if (!missing.Remove(tensor.Name, out var shape))
            {
                throw new NlftException($"{folder}, tensor \"{tensor.Name}\"", "a tensor that the configuration does not have, or a second one",
                    "the weights of the configuration", "Leave it out.");
            }
            if (!shape.SequenceEqual(tensor.Shape.Select(size => (long)size)))
            {
                throw new NlftException($"{folder}, tensor \"{tensor.Name}\"", $"shape [{string.Join(", ", tensor.Shape)}]", TensorTypes.Text(shape),
                    "Give the tensor the configuration's shape.");
            }
        }
        if (missing.Count > 0)
        {
            throw new NlftException($"{folder}, tensor \"{missing.Keys.First()}\"", "no such tensor",
                $"one of shape {TensorTypes.Text(missing.Values.First())}", "Give every weight of the configuration.");
        }
    }
}
