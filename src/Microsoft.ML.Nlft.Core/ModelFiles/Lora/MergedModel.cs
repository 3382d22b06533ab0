using System.Buffers.Binary;
using Microsoft.ML.Nlft.Common;

namespace Microsoft.ML.Nlft.ModelFiles;

/// <summary>
/// Writes a model folder with an adapter merged into its weights (<see cref="WeightUpdate"/>), everything else as in the base model's folder.
/// Types and shapes do not change, so every weight file keeps its header (names, order, offsets and metadata) byte for byte. The weights of a GGUF
/// file become one safetensors file, quantised ones in float32.
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
        var updates = WeightUpdate.All(adapter, model.Configuration);
        AtomicFolder.Write(folder, staging =>
        {
            if (model.WeightFiles is { } files)
            {
                foreach (var file in files) WriteWeights(Path.Combine(staging, Path.GetFileName(file.Path)), model, file, updates, cancellationToken);
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
            var tensor = model.Stored(name);
            return new(name, tensor.Type, tensor.Shape, updates.TryGetValue(name, out var update)
                ? stream => WriteMerged(stream, tensor.ToData(), update, model.Path, cancellationToken) : tensor.CopyTo);
        }
    }

    /// <summary>Whether a folder holds a whole model and no folders that such a model does not have.</summary>
    private static bool IsModel(string folder) => File.Exists(Path.Combine(folder, "config.json"))
        && Directory.EnumerateDirectories(folder).All(inner => Path.GetFileName(inner) == ModelFolderWriter.AdditionalTemplates);

    private static void WriteWeights(string path, ModelFolder model, SafetensorsFile file, Dictionary<string, WeightUpdate> updates,
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
                if (updates.TryGetValue(model.WeightOf(entry.Name), out var update))
                    WriteMerged(stream, tensor, update, file.Path, cancellationToken);
                else
                    stream.Write(tensor.Bytes.Span);
            }
        });
    }

    /// <summary>The merged weight row by row, computed in float32 and rounded once to W's type (nearest, ties to even).</summary>
    private static void WriteMerged(Stream stream, TensorData weight, WeightUpdate update, string file, CancellationToken cancellationToken)
    {
        var (rows, columns) = weight.Shape.Length == 1 ? (1, (int)weight.Shape[0]) : ((int)weight.Shape[0], (int)weight.Shape[1]);
        var (values, change, stored) = (new float[columns], new float[columns], new byte[columns * weight.Type.ByteSize()]);
        var whole = update.IsTransposed ? MergedTransposed(weight.ToArray(), columns, update) : null;
        for (var row = 0; row < rows; row++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (whole is not null)
            {
                whole.AsSpan(row * columns, columns).CopyTo(values);
            }
            else
            {
                TensorConversion.ToSingle(weight.Type, weight.Bytes.Span.Slice(row * stored.Length, stored.Length), values);
                update.Apply(row, values, change);
            }
            TensorConversion.FromSingle(weight.Type, values, stored);
            TensorConversion.ToSingle(weight.Type, stored, change);
            if (Array.FindIndex(change, value => !float.IsFinite(value)) is >= 0 and var column)
            {
                throw new NlftException(
                    FormattableString.Invariant($"{file}, tensor \"{weight.Name}\", row {row + 1}, column {column + 1}, merged"),
                    FormattableString.Invariant($"{values[column]}"), $"a number that {weight.Type.FileName()} can hold",
                    "Keep base model and adapter apart, or merge into a copy of the base model in a type of wider range.");
            }
            stream.Write(stored);
        }
    }

    /// <summary>Merges a matrix that is stored in x out, column by column, in place.</summary>
    private static float[] MergedTransposed(float[] matrix, int outputs, WeightUpdate update)
    {
        var (column, change) = (new float[matrix.Length / outputs], new float[matrix.Length / outputs]);
        for (var output = 0; output < outputs; output++)
        {
            for (var i = 0; i < column.Length; i++) column[i] = matrix[i * outputs + output];
            update.Apply(output, column, change);
            for (var i = 0; i < column.Length; i++) matrix[i * outputs + output] = column[i];
        }
        return matrix;
    }
}
