using System.Buffers.Binary;
using System.Numerics;
using Microsoft.ML.Nlft.Common;

namespace Microsoft.ML.Nlft.ModelFiles;

/// <summary>
/// Writes a model folder with an adapter merged into its weights: W' = W + scaling * B A for every adapted layer, everything else as in the base
/// model's folder. Types and shapes do not change, so every weight file keeps its header (names, order, offsets and metadata) byte for byte.
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
            foreach (var file in model.WeightFiles)
                WriteWeights(Path.Combine(staging, Path.GetFileName(file.Path)), file, updates, cancellationToken);
            AtomicFile.Write(Path.Combine(staging, "config.json"), stream => stream.Write(model.ConfigurationJson));
            foreach (var name in ModelFolderWriter.Companions(model).Except(LeftOut)) Copy(name);
            if (model.IsSharded) Copy(ModelWeights.IndexFile);

            void Copy(string name) => ModelFolderWriter.CopyFile(Path.Combine(model.Path, name), Path.Combine(staging, name));
        }, overwrite ? IsModel : null);
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

/// <summary>The product scaling * B A of the factors for one matrix (B: out x r, A: r x in), one row at a time.</summary>
internal sealed class LowRankUpdate
{
    private readonly ReadOnlyMemory<float> _a, _scaledB;
    private readonly int _rank;

    private LowRankUpdate(int rank, ReadOnlyMemory<float> a, ReadOnlyMemory<float> scaledB) => (_rank, _a, _scaledB) = (rank, a, scaledB);

    /// <summary>Every update of an adapter that fits the model, by the name of the weight it is for.</summary>
    public static Dictionary<string, LowRankUpdate> All(LoraAdapter adapter, ModelConfiguration model)
    {
        var factors = adapter.Factors.ToDictionary(factor => factor.Name, factor => factor.Values, StringComparer.Ordinal);
        var linears = ModelLayout.LinearModules(model).ToDictionary(linear => linear.Name);
        var updates = new Dictionary<string, LowRankUpdate>(StringComparer.Ordinal);
        foreach (var target in adapter.Configuration.Resolve(model))
        {
            var (linear, r, a) = (linears[target.Module], target.Rank, factors[target.Factors + ".lora_A"].AsMemory());
            var scaled = Array.ConvertAll(factors[target.Factors + ".lora_B"], value => (float)(value * target.Scaling));
            var b = linear.Experts == 1 ? scaled : StackedFactor.ByExpert(scaled, linear.Experts);
            foreach (var part in linear.Parts)
            {
                var (first, firstRow) = (part.Expert * r * linear.Inputs, part.Expert * linear.Outputs + part.FirstRow);
                updates.Add(part.Weight, new(r, a.Slice(first, r * linear.Inputs), b.AsMemory(firstRow * r, part.Rows * r)));
            }
        }
        return updates;
    }

    /// <summary>Row o of the product: sum over k of scaling B[o, k] A[k, :].</summary>
    public void Row(int output, Span<float> row)
    {
        row.Clear();
        for (var k = 0; k < _rank; k++) AddScaled(row, _a.Span.Slice(k * row.Length, row.Length), _scaledB.Span[output * _rank + k]);
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
