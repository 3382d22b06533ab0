using System.Text;
using Microsoft.ML.Nlft.ChatTemplates;
using Microsoft.ML.Nlft.Common;
using Microsoft.ML.Nlft.ModelFiles;
using Microsoft.ML.Nlft.Tokenization;

namespace Microsoft.ML.Nlft.Export;

/// <summary>
/// Writes a model as one GGUF file (version 3), which llama.cpp and what is built on it run: LLamaSharp, Ollama, LM Studio. The file holds weights,
/// vocabulary, pre-tokenizer, special tokens and chat template.
/// </summary>
public static class GgufExport
{
    /// <summary>Writes a model, with an adapter merged into its weights if there is one.</summary>
    /// <remarks>
    /// Weights pass a few rows at a time: a merged weight W' is computed in float32 and rounded once, to the file's type. It is within
    /// u |W'| of the exact sum, with u = 2^-24 for F32, 2^-11 for F16 and 2^-8 for BF16. The others round by ggml's reference rules, with M the
    /// largest magnitude among the weights of a block: within 0.0045 M + 4e-6 for Q8_0, 0.126 M + 3e-7 for Q4_0, 0.165 M + 1.3e-4 for Q6_K and
    /// 0.54 M + 8 d + dmin + 3.1e-5 for Q4_K, whose blocks have the scales d and dmin. Blocks have 32 weights, or 256 for Q6_K and Q4_K, which make
    /// a sum of squares smallest and may cut off a single weight for that: the root mean square of 32 errors of Q4_K is within 0.095 M instead of
    /// 0.54 M.
    /// </remarks>
    /// <param name="model">The base model.</param>
    /// <param name="adapter">The adapter to merge; null: none.</param>
    /// <param name="path">The file; written atomically.</param>
    /// <param name="options">Type, name, Modelfile; null: F16.</param>
    /// <param name="cancellationToken">Observed between rows of a weight.</param>
    /// <exception cref="NlftException">
    /// An option is not valid, the file exists, the adapter does not fit, a weight is beyond the type's range, or llama.cpp does not have the
    /// architecture, one of its settings, or the tokenizer's steps.
    /// </exception>
    /// <exception cref="OperationCanceledException">Writing was cancelled; nothing is left.</exception>
    public static void Write(
        ModelFolder model, LoraAdapter? adapter, string path, GgufExportOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentException.ThrowIfNullOrEmpty(path);
        adapter?.EnsureFits(model.Configuration);
        WriteTrained(model, adapter, new Dictionary<string, float[]>(), path, options ?? new(), cancellationToken);
    }

    /// <summary>Writes a LoRA adapter alone, which llama.cpp applies to a GGUF file of its base model. Its factors are stored in float32.</summary>
    /// <param name="adapter">The adapter.</param>
    /// <param name="model">The base model, which says how the rows of the factors are ordered.</param>
    /// <param name="path">The file; written atomically.</param>
    /// <param name="options">Name and <see cref="GgufExportOptions.Overwrite"/>; the others do not count. Null: the defaults.</param>
    /// <exception cref="NlftException">
    /// The file exists, the adapter does not fit the model, or llama.cpp does not have the architecture.
    /// </exception>
    public static void WriteAdapter(LoraAdapter adapter, ModelFolder model, string path, GgufExportOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(adapter);
        ArgumentNullException.ThrowIfNull(model);
        ArgumentException.ThrowIfNullOrEmpty(path);
        options ??= new();
        options.Validate();
        RequireFree(path, model, options);
        GgufAdapter.Write(path, adapter, model, NameOf(path, options));
    }

    /// <summary>Writes a model some of whose weights were trained.</summary>
    internal static void WriteTrained(ModelFolder model, LoraAdapter? adapter, IReadOnlyDictionary<string, float[]> trained, string path,
        GgufExportOptions options, CancellationToken cancellationToken)
    {
        options.Validate();
        RequireFree(path, model, options);
        if (adapter is not null && adapter.Extend(model.Configuration) != model.Configuration)
        {
            throw new NlftException("adapter, as GGUF", "an embedding or an output layer that the model does not have", "the model's own shapes",
                "Merge the adapter into a model folder (nlft merge), and write that as GGUF.");
        }
        var keys = GgufModelKeys.Of(model.Configuration);
        var configuration = TokenizerConfiguration.Read(model.Documents);
        var tokenizer = HuggingFaceTokenizer.Load(model.Documents, model.Configuration.VocabularySize, configuration);
        (string, object)[] metadata =
        [
            ("general.architecture", keys.Architecture.Name), ("general.type", "model"), ("general.name", NameOf(path, options)),
            ("general.file_type", FileType(options.Type)), ("general.quantization_version", 2u),
            .. keys.Keys,
            .. TokenizerKeys.Of(model, tokenizer, ChatTemplate.Load(model.Documents, configuration)?.Source),
        ];
        var tensors = new GgufModelTensors(model, keys.Architecture, options.Type, cancellationToken)
        {
            Updates = adapter is null ? new Dictionary<string, WeightUpdate>() : WeightUpdate.All(adapter, model.Configuration),
            Replaced = trained,
        }.Sources().ToList();
        tensors.AddRange(keys.FrequencyDivisors.Select(divisors => GgufSource.From(divisors.Tensor, [divisors.Values.Length], divisors.Values)));

        (string, Action<Stream>) file = (path, stream => GgufWriter.WriteTo(stream, metadata, tensors));
        var modelfile = Path.Combine(Path.GetDirectoryName(Path.GetFullPath(path))!, Modelfile.Name);
        var text = Encoding.UTF8.GetBytes(Modelfile.Text(path, StopTexts(model, tokenizer)));
        if (!options.Modelfile || !Modelfile.MayReplace(modelfile)) AtomicFile.WriteAll(file);
        else AtomicFile.WriteAll(file, (modelfile, stream => stream.Write(text)));
    }

    private static IEnumerable<string> StopTexts(ModelFolder model, HuggingFaceTokenizer tokenizer) =>
        model.EndOfSequenceIds.Select(tokenizer.IdToToken).OfType<string>();

    private static string NameOf(string path, GgufExportOptions options) => options.Name ?? Path.GetFileNameWithoutExtension(path);

    private static void RequireFree(string path, ModelFolder model, GgufExportOptions options)
    {
        if (model.IsAt(path)) throw new NlftException(path, "the base model's own file", "another file", "Write the new file beside it.");
        if (Directory.Exists(path)) throw new NlftException(path, "a folder", "the path of a file", "Add a name such as model.gguf.");
        OutputFile.RequireNoLink(path);
        if (!options.Overwrite && File.Exists(path))
        {
            throw new NlftException(path, "a file that exists", "a new file",
                "Name another file, or replace this one (GgufExportOptions.Overwrite; nlft: --overwrite).");
        }
    }

    /// <summary>The number that stands for the type of most tensors.</summary>
    private static uint FileType(GgufType type) => type switch
    {
        GgufType.F16 => 1,
        GgufType.Q4_0 => 2,
        GgufType.Q8_0 => 7,
        GgufType.Q4_K => 14, // with more bits for some tensors
        GgufType.Q6_K => 18,
        GgufType.BF16 => 32,
        _ => 0,
    };
}
