using Microsoft.ML.Nlft.Common;

namespace Microsoft.ML.Nlft.ModelFiles;

/// <summary>A LoRA adapter in memory: its configuration and its factors. Reads and writes the folder that PEFT reads and writes.</summary>
public sealed class LoraAdapter
{
    /// <summary>Creates an adapter.</summary>
    public LoraAdapter(LoraConfiguration configuration, IReadOnlyList<NamedTensor> factors) => (Configuration, Factors) = (configuration, factors);

    /// <summary>The settings.</summary>
    public LoraConfiguration Configuration { get; }

    /// <summary>
    /// The tensors: the factors <c>MODULE.lora_A</c> (r x in) and <c>MODULE.lora_B</c> (out x r), for example
    /// <c>model.layers.0.mlp.up_proj.lora_A</c>; as the settings ask, <c>MODULE.lora_magnitude_vector</c> and <c>MODULE.lora_B.bias</c> (out),
    /// <c>lora_embedding_A</c> (r x V) and <c>lora_embedding_B</c> (H x r) of the embedding; and weights and biases of the model itself that the
    /// adapter replaces, under their names in the model. Of these, an embedding or output layer that
    /// <see cref="LoraConfiguration.ModulesToSave"/> does not name is not trained. Those of a stack of E experts are
    /// <c>lora_A</c> ([E, r, in], as E r x in) and <c>lora_B</c> ([out, r, E], as out x r E), named by <see cref="LoraTarget.Factors"/>.
    /// </summary>
    public IReadOnlyList<NamedTensor> Factors { get; }

    /// <summary>The tensors of <see cref="Factors"/> that are trained.</summary>
    public IEnumerable<NamedTensor> Trained => Factors.Where(factor => !IsFrozen(factor));

    /// <summary>
    /// The tensors of <see cref="Factors"/> that are not trained: an embedding and an output layer, for example of an enlarged vocabulary.
    /// </summary>
    public IEnumerable<NamedTensor> Frozen => Factors.Where(IsFrozen);

    /// <summary>
    /// Returns the architecture with this adapter on: the vocabulary is that of the adapter's embedding, if it holds one, and an embedding and an
    /// output layer of which one is trained as a whole (<see cref="LoraConfiguration.ModulesToSave"/>) are two.
    /// </summary>
    /// <param name="model">The architecture of the base model.</param>
    public ModelConfiguration Extend(ModelConfiguration model)
    {
        ArgumentNullException.ThrowIfNull(model);
        var embedding = Factors.FirstOrDefault(factor => factor.Name == ModelLayout.Embedding(model).Name);
        return model with
        {
            VocabularySize = embedding is { Shape: [var tokens, _] } ? tokens : model.VocabularySize,
            TieWordEmbeddings = model.TieWordEmbeddings && !Configuration.Saves(ModelLayout.EmbeddingModule(model))
                && !Configuration.Saves(ModelLayout.HeadModule(model)),
        };
    }

    /// <summary>base_model_name_or_path: the model it was trained on, or null.</summary>
    public string? BaseModel { get; init; }

    /// <summary>
    /// Creates a fresh adapter as PEFT initializes it: A uniform in +-1/sqrt(in) (Kaiming with a = sqrt 5) and B zero, so that the model is
    /// unchanged at first.
    /// </summary>
    /// <param name="configuration">The settings.</param>
    /// <param name="model">The model it is for.</param>
    /// <param name="seed">Seeds A; every factor draws from its own stream.</param>
    /// <exception cref="NlftException">
    /// A setting is out of range, no layer of the model is targeted, or the adapter starts from weights of the model
    /// (<see cref="LoraConfiguration.UseDora"/>, <see cref="LoraConfiguration.Bias"/>, <see cref="LoraConfiguration.ModulesToSave"/>).
    /// </exception>
    public static LoraAdapter Create(LoraConfiguration configuration, ModelConfiguration model, int seed) =>
        Create(configuration, model, seed, name => throw new NlftException($"a fresh adapter, \"{name}\"", "no weights of the model",
            "the model's folder, as the adapter starts from its weights", "Pass the ModelFolder."));

    /// <summary>
    /// Creates a fresh adapter as PEFT initializes it: A as in <see cref="Create(LoraConfiguration, ModelConfiguration, int)"/>, B and its bias zero,
    /// magnitudes the norms of the weight's rows, weights and biases of the model as they are; of an embedding, A zero and B normal(0, 1).
    /// </summary>
    /// <param name="configuration">The settings.</param>
    /// <param name="model">The model it is for.</param>
    /// <param name="seed">Seeds A; every factor draws from its own stream.</param>
    /// <exception cref="NlftException">A setting is out of range, or no layer of the model is targeted.</exception>
    public static LoraAdapter Create(LoraConfiguration configuration, ModelFolder model, int seed)
    {
        ArgumentNullException.ThrowIfNull(model);
        return Create(configuration, model.Configuration, seed, name => model.RawTensor(model.WeightOf(name)).ToArray());
    }

    /// <summary>Reads adapter_config.json and adapter_model.safetensors.</summary>
    /// <param name="folder">The adapter's folder.</param>
    /// <exception cref="NlftException">A file is missing or damaged, a setting is not supported, or factors and settings do not agree.</exception>
    public static LoraAdapter Load(string folder) => LoraAdapterFolder.Load(folder);

    /// <summary>Writes adapter_config.json and adapter_model.safetensors (float32); the folder is created, files in it are replaced.</summary>
    /// <param name="folder">The adapter's folder.</param>
    /// <param name="baseModel">Written as base_model_name_or_path; null: <see cref="BaseModel"/>.</param>
    /// <exception cref="NlftException">A setting is out of range, or factors and settings do not agree.</exception>
    public void Save(string folder, string? baseModel = null) =>
        AtomicFile.WriteAll(LoraAdapterFolder.Files(this, folder, baseModel ?? BaseModel));

    /// <summary>
    /// Writes a model folder with this adapter merged into the weights: W' = W + scaling * B A, computed in float32 and rounded once to the type
    /// that the file stores W in. Weight files keep their names, headers and places; config.json, index, tokenizer, templates and the other small
    /// files are copied byte for byte, except README.md, which describes the base model.
    /// </summary>
    /// <remarks>
    /// The merged model differs from base model and adapter by rounding alone. With u = 2^-24 for F32 and F64 weights, 2^-11 for F16 and 2^-8 for
    /// BF16, a merged weight is within u |W'| of the exact sum (F16 below 2^-14: within 2^-25). To first order a token's log-probability then moves
    /// by no more than u times the sum of |d log p / d W'| |W'| over the merged weights. For logits: the relative change of one linear layer's output
    /// has standard deviation u / sqrt(3) at most, the roundings being independent, and those of the m adapted layers add up as sqrt(m); so logits
    /// move by no more than (4e-6 + 2 u sqrt(m)) times the largest of them, 3.5 standard deviations, where 4e-6 is the engine's own float32
    /// arithmetic. That is below 1e-4 for float32 weights and logits up to 20. Rounding once, after adding, is what keeps it there.
    /// </remarks>
    /// <param name="model">The base model.</param>
    /// <param name="folder">The new folder, which must be empty or not exist yet; it is written atomically.</param>
    /// <param name="cancellationToken">Observed between rows of a weight.</param>
    /// <param name="overwrite">Whether a folder that holds a whole model is replaced as a whole. Default false.</param>
    /// <param name="writeMore">Writes further files, such as a card, into the folder before it takes its place; null: none.</param>
    /// <exception cref="NlftException">
    /// The folder is that of the base model or not empty, the adapter does not fit, or a merged weight is beyond its type's range.
    /// </exception>
    /// <exception cref="OperationCanceledException">Merging was cancelled; nothing is left.</exception>
    public void MergeInto(ModelFolder model, string folder, CancellationToken cancellationToken = default, bool overwrite = false,
        Action<string>? writeMore = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentException.ThrowIfNullOrEmpty(folder);
        MergedModel.Write(folder, model, this, overwrite, writeMore, cancellationToken);
    }

    /// <summary>Checks that the adapter belongs to a model: the tensors that its settings ask for, of the right shapes, and no others.</summary>
    /// <exception cref="NlftException">A factor is missing, unexpected, or of another shape.</exception>
    public void EnsureFits(ModelConfiguration model)
    {
        var vocabulary = model.VocabularySize;
        model = Extend(model);
        var expected = LoraLayout.Trained(Configuration, model).ToDictionary(tensor => tensor.Name, tensor => tensor.Shape, StringComparer.Ordinal);
        int[] whole = [model.VocabularySize, model.HiddenSize];
        foreach (var factor in Frozen) expected.TryAdd(factor.Name, whole);
        if (model.VocabularySize != vocabulary && !model.TieWordEmbeddings) expected.TryAdd(ModelLayout.Head(model).Name, whole);
        foreach (var factor in Factors)
        {
            if (!expected.Remove(factor.Name, out var shape))
            {
                throw new NlftException($"adapter, tensor \"{factor.Name}\"", "a factor that no targeted layer of the model has, or a second one",
                    $"factors of the model's {model.LayerCount} layers", Remedy);
            }
            if (!factor.Shape.AsSpan().SequenceEqual(shape))
                throw new NlftException($"adapter, tensor \"{factor.Name}\"", $"shape {Text(factor.Shape)}", $"{Text(shape)}", Remedy);
        }
        if (expected.Count > 0)
        {
            throw new NlftException($"adapter, tensor \"{expected.Keys.First()}\"", "no such factor",
                $"one of shape {Text(expected.Values.First())}", Remedy);
        }
    }

    private static LoraAdapter Create(LoraConfiguration configuration, ModelConfiguration model, int seed, Func<string, float[]> weights)
    {
        configuration = configuration.For(model);
        return new LoraAdapter(configuration, [.. LoraLayout.Trained(configuration, model).Select(tensor =>
            new NamedTensor(tensor.Name, tensor.Shape, Initial(tensor.Name, tensor.Shape)))]);

        float[] Initial(string name, int[] shape)
        {
            var (module, part) = LoraLayout.Split(name);
            if (part is LoraLayout.Weight or LoraLayout.Bias) return weights(name);
            var values = new float[shape.Aggregate(1, (product, size) => checked(product * size))];
            if (part == LoraLayout.Magnitude)
            {
                var rows = weights(module + LoraLayout.Weight);
                var squares = new double[values.Length];
                for (var i = 0; i < rows.Length; i++)
                    squares[model.TransposedWeights ? i % values.Length : i / (rows.Length / values.Length)] += (double)rows[i] * rows[i];
                for (var i = 0; i < values.Length; i++) values[i] = (float)Math.Sqrt(squares[i]);
            }
            else if (part == LoraLayout.A)
            {
                var random = new SeededRandom(seed, module);
                var bound = 1 / Math.Sqrt(shape[1]);
                for (var i = 0; i < values.Length; i++) values[i] = (float)((2 * random.NextUniform() - 1) * bound);
            }
            else if (part == LoraLayout.EmbeddingB)
            {
                var random = new SeededRandom(seed, module);
                for (var i = 0; i < values.Length; i++) values[i] = (float)random.NextGaussian();
            }
            return values;
        }
    }

    private bool IsFrozen(NamedTensor tensor) =>
        LoraLayout.Split(tensor.Name) is (var module, LoraLayout.Weight) && !Configuration.Saves(module);

    private const string Remedy = "Use the adapter with the model it was trained on.";

    private static string Text(int[] shape) => $"[{string.Join(", ", shape)}]";
}
