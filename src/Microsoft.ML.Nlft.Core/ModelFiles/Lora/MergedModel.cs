using System.Buffers.Binary;
using System.Text.Json;
using Microsoft.ML.Nlft.Common;

namespace Microsoft.ML.Nlft.ModelFiles;

/// <summary>
/// Writes a model folder with an adapter merged into its weights (<see cref="WeightUpdate"/>), everything else as in the base model's folder. Types
/// do not change, and as long as shapes do not either, every weight file keeps its header (names, order, offsets and metadata) byte for byte. An
/// enlarged vocabulary, and an output layer that was the embedding until the adapter trained one of them, change config.json and the headers. The
/// weights of a GGUF file become one safetensors file, quantised ones in float32.
/// </summary>
internal sealed class MergedModel
{
    /// <summary>Files of the base model's folder that would not describe the merged model.</summary>
    private static readonly string[] LeftOut = ["README.md", "nlft.json"];

    private readonly ModelFolder _model;
    private readonly ModelConfiguration _merged;
    private readonly Dictionary<string, WeightUpdate> _updates;
    private readonly CancellationToken _cancellationToken;

    private MergedModel(ModelFolder model, LoraAdapter adapter, CancellationToken cancellationToken)
    {
        adapter.EnsureFits(model.Configuration);
        (_model, _merged, _cancellationToken) = (model, adapter.Extend(model.Configuration), cancellationToken);
        _updates = WeightUpdate.All(adapter, model.Configuration);
    }

    public static void Write(string folder, ModelFolder model, LoraAdapter adapter, bool overwrite, Action<string>? writeMore,
        CancellationToken cancellationToken)
    {
        if (model.IsAt(folder))
            throw new NlftException(folder, "the folder of the base model", "another folder", "Write the merged model beside the base model.");
        var merged = new MergedModel(model, adapter, cancellationToken);
        AtomicFolder.Write(folder, merged.Write + writeMore, overwrite ? IsModel : null);
    }

    /// <summary>Whether a folder holds a whole model and no folders that such a model does not have.</summary>
    private static bool IsModel(string folder) => File.Exists(Path.Combine(folder, ModelDocuments.Configuration))
        && Directory.EnumerateDirectories(folder).All(inner => Path.GetFileName(inner) == ModelFolderWriter.AdditionalTemplates);

    private string EmbeddingName => ModelLayout.Embedding(_merged).Name;

    private string HeadName => ModelLayout.Head(_merged).Name;

    private bool IsUntied => _merged.TieWordEmbeddings != _model.Configuration.TieWordEmbeddings;

    private bool IsReshaped => IsUntied || _merged.VocabularySize != _model.Configuration.VocabularySize;

    private void Write(string folder)
    {
        foreach (var file in _model.WeightFiles ?? [])
        {
            var path = Path.Combine(folder, Path.GetFileName(file.Path));
            if (IsReshaped) SafetensorsWriter.Write(path, Tensors(file), file.Metadata);
            else AtomicFile.Write(path, stream => WriteAlike(stream, file));
        }
        if (_model.WeightFiles is null)
            SafetensorsWriter.Write(Path.Combine(folder, ModelWeights.SingleFile), [.. _model.TensorNames.Select(Source), .. Missing()]);
        var json = _model.ConfigurationJson;
        if (IsUntied) json = ConfigurationEdit.WithTiedEmbeddings(json, tied: false);
        if (IsReshaped) json = ConfigurationEdit.WithVocabularySize(json, _merged.VocabularySize);
        AtomicFile.Write(Path.Combine(folder, ModelDocuments.Configuration), stream => stream.Write(json));
        foreach (var name in _model.Documents.Companions.Except(LeftOut)) Copy(name);
        if (!_model.IsSharded) return;
        if (IsReshaped) WriteIndex(folder);
        else Copy(ModelWeights.IndexFile);

        void Copy(string name) => AtomicFile.Write(Path.Combine(folder, name), stream => _model.Documents.Write(name, stream));
    }

    /// <summary>Writes a file with the header of the base model's.</summary>
    private void WriteAlike(Stream stream, SafetensorsFile file)
    {
        Span<byte> length = stackalloc byte[sizeof(ulong)];
        BinaryPrimitives.WriteUInt64LittleEndian(length, (ulong)file.HeaderJson.Length);
        stream.Write(length);
        stream.Write(file.HeaderJson.Span);
        foreach (var entry in file.Entries) Source(file, entry).Write(stream);
    }

    /// <summary>Returns the tensors of a file: the base model's, and in the file with the one of embedding and output layer also the other.</summary>
    private IEnumerable<SafetensorsSource> Tensors(SafetensorsFile file)
    {
        var ends = file.Entries.Any(entry => entry.Name == HeadName || WeightOf(entry.Name) == EmbeddingName);
        return [.. file.Entries.Select(entry => Source(file, entry)), .. ends ? Missing() : []];
    }

    /// <summary>Returns the one of embedding and output layer that the base model does not have by itself.</summary>
    private IEnumerable<SafetensorsSource> Missing()
    {
        string[] ends = IsUntied ? [EmbeddingName, HeadName] : [];
        return ends.Except(_model.TensorNames.Select(WeightOf)).Select(name => Source(name, _model.Stored(EmbeddingName)));
    }

    /// <summary>Returns the weight of the merged model that a tensor holds.</summary>
    private string WeightOf(string tensor) => IsUntied && tensor == HeadName ? tensor : _model.WeightOf(tensor);

    private SafetensorsSource Source(string name) => Source(name, _model.Stored(name));

    private SafetensorsSource Source(string name, StoredTensor tensor) =>
        Source(name, tensor.Type, tensor.Shape, tensor.ToData, tensor.CopyTo);

    private SafetensorsSource Source(SafetensorsFile file, SafetensorsEntry entry) => Source(entry.Name, entry.Type, entry.Shape,
        () => file.Tensor(entry.Name), stream => stream.Write(file.Tensor(entry.Name).Bytes.Span));

    private SafetensorsSource Source(string name, TensorType type, long[] shape, Func<TensorData> data, Action<Stream> copy)
    {
        _cancellationToken.ThrowIfCancellationRequested();
        if (_updates.GetValueOrDefault(WeightOf(name)) is not { } update) return new(name, type, shape, copy);
        long[] merged = update.Whole is { } whole ? [.. whole.Shape.Select(size => (long)size)] : shape;
        return new(name, type, merged, stream => WriteMerged(stream, data() with { Name = name, Shape = merged }, update));
    }

    /// <summary>The merged weight row by row, computed in float32 and rounded once to W's type (nearest, ties to even).</summary>
    private void WriteMerged(Stream stream, TensorData weight, WeightUpdate update)
    {
        var (rows, columns) = weight.Shape.Length == 1 ? (1, (int)weight.Shape[0]) : ((int)weight.Shape[0], (int)weight.Shape[1]);
        var (values, change, stored) = (new float[columns], new float[columns], new byte[columns * weight.Type.ByteSize()]);
        var turned = update.IsTransposed ? MergedTransposed(weight.ToArray(), columns, update) : null;
        for (var row = 0; row < rows; row++)
        {
            _cancellationToken.ThrowIfCancellationRequested();
            if (turned is not null)
            {
                turned.AsSpan(row * columns, columns).CopyTo(values);
            }
            else
            {
                if (update.Whole is null)
                    TensorConversion.ToSingle(weight.Type, weight.Bytes.Span.Slice(row * stored.Length, stored.Length), values);
                update.Apply(row, values, change);
            }
            TensorConversion.FromSingle(weight.Type, values, stored);
            TensorConversion.ToSingle(weight.Type, stored, change);
            if (Array.FindIndex(change, value => !float.IsFinite(value)) is >= 0 and var column)
            {
                var file = _model.WeightFiles?.First(file => file.Entries.Any(entry => _model.WeightOf(entry.Name) == _model.WeightOf(weight.Name)));
                throw new NlftException(
                    FormattableString.Invariant($"{file?.Path ?? _model.Path}, tensor \"{weight.Name}\", row {row + 1}, column {column + 1}, merged"),
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

    /// <summary>Writes the index of the shards as they are now.</summary>
    private void WriteIndex(string folder)
    {
        var (size, map) = (0L, new SortedDictionary<string, string>(StringComparer.Ordinal));
        foreach (var shard in _model.WeightFiles!.Select(file => Path.GetFileName(file.Path)))
        {
            using var written = SafetensorsFile.Open(Path.Combine(folder, shard));
            foreach (var entry in written.Entries) (map[entry.Name], size) = (shard, size + entry.End - entry.Begin);
        }
        AtomicFile.Write(Path.Combine(folder, ModelWeights.IndexFile), stream =>
        {
            using var writer = new Utf8JsonWriter(stream, new() { Indented = true });
            writer.WriteStartObject();
            writer.WriteStartObject("metadata");
            writer.WriteNumber("total_size", size);
            writer.WriteEndObject();
            writer.WriteStartObject("weight_map");
            foreach (var (name, shard) in map) writer.WriteString(name, shard);
            writer.WriteEndObject();
            writer.WriteEndObject();
        });
    }
}
