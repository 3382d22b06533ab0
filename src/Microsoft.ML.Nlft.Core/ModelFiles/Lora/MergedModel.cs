using System.Buffers.Binary;
using System.Numerics;
using Microsoft.ML.Nlft.Common;

namespace Microsoft.ML.Nlft.ModelFiles;

/// <summary>
/// Writes a model folder with an adapter merged into its weights: W' = W + scaling * B A for every adapted layer, everything else as in the base
/// model's folder. Types and shapes do not change, so every weight file keeps its header (names, order, offsets and metadata) byte for byte. The
/// weights of a GGUF file become one safetensors file, quantised ones in float32.
/// </summary>
internal static class MergedModel
{
    /// <summary>Files of the base model's folder that would not describe the merged model.</summary>
    private static readonly string[] LeftOut = ["README.md", "nlft.json"];

    public static void Write(string folder, ModelFolder model, LoraAdapter adapter, bool overwrite, CancellationToken cancellationToken)
    {
        if (model.IsAt(folder))
            throw new NlftException(folder, "the folder of the base model", "another folder", "Write the merged model beside the base model.");
        adapter.EnsureFits(model.Configuration);
        var updates = LowRankUpdate.All(adapter, model.Configuration);
        AtomicFolder.Write(folder, staging =>
        {
            if (model.WeightFiles is { } files)
            {
                foreach (var file in files) WriteWeights(Path.Combine(staging, Path.GetFileName(file.Path)), file, updates, cancellationToken);
                AtomicFile.Write(Path.Combine(staging, ModelDocuments.Configuration), stream => stream.Write(model.ConfigurationJson));
            }
            else
            {
                ModelFolderWriter.Write(staging, model.ConfigurationJson, model.TensorNames.Select(Source));
            }
            foreach (var name in model.Documents.Companions.Except(LeftOut)) Copy(name);
            if (model.IsSharded) Copy(ModelWeights.IndexFile);

            void Copy(string name) => model.Documents.Copy(name, Path.Combine(staging, name));
        }, overwrite ? IsModel : null);

        SafetensorsSource Source(string name)
        {
            var tensor = model.RawTensor(name);
            return updates.TryGetValue(name, out var update)
                ? new(name, tensor.Type, tensor.Shape, stream => WriteSum(stream, tensor, update, model.Path, cancellationToken))
                : SafetensorsSource.From(tensor);
        }
    }

    /// <summary>Whether a folder holds a whole model and no folders that such a model does not have.</summary>
    private static bool IsModel(string folder) => File.Exists(Path.Combine(folder, "config.json"))
        && Directory.EnumerateDirectories(folder).All(inner => Path.GetFileName(inner) == ModelFolderWriter.AdditionalTemplates);

    private static void WriteWeights(string path, SafetensorsFile file, Dictionary<string, LowRankUpdate> updates,
        CancellationToken cancellationToken)
    {
        AtomicFile.Write(path, stream =>
        {
            Span<byte> length = stackalloc byte[sizeof(ulong)];
            BinaryPrimitives.WriteUInt64LittleEndian(length, (ulong)file.HeaderJson.Length);
            stream.Write(length);
            stream.Write(file.HeaderJson.Span);
            foreach (var entry in file.Entries)
            {
                cancellationToken.ThrowIfCancellationRequested();
                var tensor = file.Tensor(entry.Name);
                if (updates.TryGetValue(entry.Name, out var update)) WriteSum(stream, tensor, update, file.Path, cancellationToken);
                else stream.Write(tensor.Bytes.Span);
            }
        });
    }

    /// <summary>
    /// W + scaling * B A row by row: the update summed in float32, added once, and rounded once to W's type (nearest, ties to even).
    /// </summary>
    private static void WriteSum(Stream stream, TensorData weight, LowRankUpdate update, string file, CancellationToken cancellationToken)
    {
        var (outputs, inputs) = ((int)weight.Shape[0], (int)weight.Shape[1]);
        var (values, change, stored) = (new float[inputs], new float[inputs], new byte[inputs * weight.Type.ByteSize()]);
        for (var output = 0; output < outputs; output++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            TensorConversion.ToSingle(weight.Type, weight.Bytes.Span.Slice(output * stored.Length, stored.Length), values);
            update.Row(output, change);
            LowRankUpdate.AddScaled(values, change, 1);
            TensorConversion.FromSingle(weight.Type, values, stored);
            TensorConversion.ToSingle(weight.Type, stored, change);
            if (Array.FindIndex(change, value => !float.IsFinite(value)) is >= 0 and var input)
            {
                throw new NlftException(
                    FormattableString.Invariant($"{file}, tensor \"{weight.Name}\", row {output + 1}, column {input + 1}, merged"),
                    FormattableString.Invariant($"{values[input]}"), $"a number that {weight.Type.FileName()} can hold",
                    "Keep base model and adapter apart, or merge into a copy of the base model in a type of wider range.");
            }
            stream.Write(stored);
        }
    }
}

/// <summary>The product scaling * B A of one layer's factors (B: out x r, A: r x in), one row at a time.</summary>
internal sealed class LowRankUpdate
{
    private readonly float[] _a, _scaledB;
    private readonly int _rank;

    private LowRankUpdate(LoraTarget target, float[] a, float[] b) =>
        (_rank, _a, _scaledB) = (target.Rank, a, Array.ConvertAll(b, value => (float)(value * target.Scaling)));

    /// <summary>Every update of an adapter that fits the model, by the name of the weight it is for.</summary>
    public static Dictionary<string, LowRankUpdate> All(LoraAdapter adapter, ModelConfiguration model)
    {
        var factors = adapter.Factors.ToDictionary(factor => factor.Name, factor => factor.Values, StringComparer.Ordinal);
        return adapter.Configuration.Resolve(model).ToDictionary(target => target.Module + ".weight",
            target => new LowRankUpdate(target, factors[target.Module + ".lora_A"], factors[target.Module + ".lora_B"]), StringComparer.Ordinal);
    }

    /// <summary>Row o of the product: sum over k of scaling B[o, k] A[k, :].</summary>
    public void Row(int output, Span<float> row)
    {
        row.Clear();
        for (var k = 0; k < _rank; k++) AddScaled(row, _a.AsSpan(k * row.Length, row.Length), _scaledB[output * _rank + k]);
    }

    /// <summary>sum += factor * x.</summary>
    public static void AddScaled(Span<float> sum, ReadOnlySpan<float> x, float factor)
    {
        var i = 0;
        for (; i <= x.Length - Vector<float>.Count; i += Vector<float>.Count)
            (new Vector<float>(sum[i..]) + factor * new Vector<float>(x[i..])).CopyTo(sum[i..]);
        for (; i < x.Length; i++) sum[i] += factor * x[i];
    }
}
