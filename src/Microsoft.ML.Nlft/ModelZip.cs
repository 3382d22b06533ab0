using System.IO.Compression;
using System.Security.Cryptography;
using System.Text;
using Microsoft.ML.Data;
using Microsoft.ML.Nlft.Cards;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.ModelFiles;
using Microsoft.ML.Transforms;

namespace Microsoft.ML.Nlft;

/// <summary>
/// Carries a model inside the zip of <c>mlContext.Model.Save</c>. ML.NET lets no outside assembly add its own stream to that zip, but it stores
/// chains of built-in transforms. So the model is written as such a chain: copy the inputs to fixed names, number the chunks, look each chunk up in
/// a table that holds the saved folder as base64, answer (<see cref="CarrierAnswerFactory"/>), copy to the output name, drop the helpers. A plain
/// <c>mlContext.Model.Load</c> then works anywhere this assembly is.
/// </summary>
internal static class ModelZip
{
    /// <summary>The limit of the packed model in bytes: ML.NET keeps the table that holds it in one array, as base64.</summary>
    public const long MaximumBytes = 512L << 20;

    /// <summary>Number of chunks: many rows of moderate size instead of one huge text. Fixed, because saved files depend on it.</summary>
    public const int ChunkCount = 64;

    private const long MostFixed = 16L << 20, MostRatio = 32; // the files may take 16 MB, and 32 times what they take packed

    public static void Save(TextGenerationTransformer model, ModelSaveContext ctx)
    {
        var mlContext = new MLContext();
        ((ICanSaveModel)Chain(mlContext, model, Pack(model.Model, model.Settings, model.Card)).Fit(NoRows(mlContext, model))).Save(ctx);
    }

    private static EstimatorChain<ITransformer> Chain(MLContext mlContext, TextGenerationTransformer model, IEnumerable<string> chunks)
    {
        var transforms = mlContext.Transforms;
        return new EstimatorChain<ITransformer>()
            .Append(transforms.CopyColumns(CarrierColumns.Question, model.QuestionColumnName))
            .Append(transforms.CopyColumns(CarrierColumns.Instruction, model.InstructionColumnName ?? model.QuestionColumnName))
            .Append(transforms.CustomMapping(new CarrierChunkFactory().GetMapping(), CarrierChunkFactory.Contract))
            .Append(transforms.Conversion.MapValue(
                CarrierColumns.Payload, chunks.Select((chunk, key) => new KeyValuePair<int, string>(key, chunk)), CarrierColumns.Chunk))
            .Append(transforms.CustomMapping(new CarrierAnswerFactory().GetMapping(), CarrierAnswerFactory.Contract))
            .Append(transforms.CopyColumns(model.OutputColumnName, CarrierColumns.Generated))
            .Append<ITransformer>(transforms.DropColumns(CarrierColumns.All));
    }

    /// <summary>Creates a view without rows that has the model's input columns: enough to fit the chain.</summary>
    private static IDataView NoRows(MLContext mlContext, TextGenerationTransformer model)
    {
        var schema = SchemaDefinition.Create(typeof(CarrierRow));
        schema[nameof(CarrierRow.Question)].ColumnName = model.QuestionColumnName;
        schema[nameof(CarrierRow.Instruction)].ColumnName = model.InstructionColumnName ?? CarrierColumns.Instruction;
        return mlContext.Data.LoadFromEnumerable(Array.Empty<CarrierRow>(), schema);
    }

    /// <summary>Packs the files of the saved folder as a zip archive in base64, in chunks.</summary>
    private static string[] Pack(LocalModel model, LocalModelSettings settings, ModelCard card)
    {
        using var place = new TemporaryPlace();
        model.Save(place.Folder, settings, card);
        // The zip has no place of its own when ML.NET loads it, so the base model's relative path starts at the working folder.
        var relative = Path.GetRelativePath(Directory.GetCurrentDirectory(), model.Folder.Path).Replace(Path.DirectorySeparatorChar, '/');
        if (LocalModelDescription.IsIn(place.Folder)) // of processes that trained together, only the first one has written it
        {
            (LocalModelDescription.Load(place.Folder) with { BaseModelRelativePath = Path.IsPathRooted(relative) ? null : relative })
                .Save(place.Folder);
        }
        ZipFile.CreateFromDirectory(place.Folder, place.Archive);
        using var archive = File.OpenRead(place.Archive);
        if (archive.Length > MaximumBytes)
        {
            throw new NlftException("adapter for the model zip", $"{archive.Length:N0} bytes", $"at most {MaximumBytes:N0}",
                "Save it as a folder with mlContext.Nlft().Save and load it with mlContext.Nlft().Load.");
        }
        var size = (int)(archive.Length / (3 * ChunkCount) + 1) * 3; // base64 of a multiple of 3 bytes has no padding
        var bytes = new byte[size];
        var chunks = new string[ChunkCount];
        for (var i = 0; i < ChunkCount; i++)
            chunks[i] = Convert.ToBase64String(bytes, 0, archive.ReadAtLeast(bytes, size, throwOnEndOfStream: false));
        return chunks;
    }

    /// <summary>Opens the model that <see cref="Pack"/> packed.</summary>
    /// <param name="chunks">The chunks, cut anywhere.</param>
    /// <param name="modelFolder">The base model's folder or name; null: the one that the model names.</param>
    /// <param name="engine">The engine; null: the managed CPU engine.</param>
    /// <param name="zipFolder">The folder of the zip, from where the base model is looked for first; null: unknown.</param>
    public static TextGenerationTransformer Unpack(
        IEnumerable<ReadOnlyMemory<char>> chunks, string? modelFolder, IModelEngine? engine, string? zipFolder = null)
    {
        using var place = new TemporaryPlace();
        Guard(() =>
        {
            using (var decoded = new CryptoStream(File.Create(place.Archive), new FromBase64Transform(), CryptoStreamMode.Write))
                foreach (var chunk in chunks) decoded.Write(Encoding.ASCII.GetBytes(chunk.ToArray()));
            Extract(place.Archive, place.Folder);
            return true;
        });
        return SavedModel.Load(place.Folder, modelFolder ?? BaseModel(LocalModelDescription.Load(place.Folder), zipFolder), engine);
    }

    /// <summary>Unpacks the files of an archive; stops before they take more room than an adapter of that packed size could.</summary>
    private static void Extract(string path, string folder)
    {
        using var archive = ZipFile.OpenRead(path);
        var left = MostFixed + (MostRatio * new FileInfo(path).Length);
        var buffer = new byte[1 << 16];
        foreach (var entry in archive.Entries)
        {
            if (entry.FullName.EndsWith('/')) continue; // a folder, created with its files
            var target = Path.GetFullPath(Path.Combine(folder, entry.FullName));
            if (!target.StartsWith(folder + Path.DirectorySeparatorChar, StringComparison.Ordinal)) throw Damaged($"the path {entry.FullName}");
            Directory.CreateDirectory(Path.GetDirectoryName(target)!);
            using var packed = entry.Open();
            using var file = new FileStream(target, FileMode.CreateNew);
            for (int read; (read = packed.Read(buffer)) > 0; file.Write(buffer, 0, read))
                if ((left -= read) < 0) throw Damaged($"files that unpack to more than {MostRatio} times their size");
        }
    }

    /// <summary>Runs a step of unpacking; a damaged zip is reported as bad input.</summary>
    private static T Guard<T>(Func<T> step)
    {
        try
        {
            return step();
        }
        catch (Exception e) when (e is IOException or InvalidDataException or FormatException or UnauthorizedAccessException or CryptographicException
            or NotSupportedException or InvalidOperationException or ArgumentException)
        {
            throw Damaged($"contents that cannot be unpacked ({e.Message})", e);
        }
    }

    private static NlftException Damaged(string found, Exception? cause = null) =>
        new("model zip", found, "a model saved by mlContext.Model.Save", "Save the model again, or use a zip that is whole.", cause);

    /// <summary>Finds the base model from the folders that a zip may be used in: its own, the working folder, the program's.</summary>
    private static string BaseModel(LocalModelDescription saved, string? zipFolder)
    {
        var here = zipFolder ?? Directory.GetCurrentDirectory();
        try
        {
            return saved.FindBaseModel(here, baseModel: null, new ModelLocator([here, Directory.GetCurrentDirectory(), AppContext.BaseDirectory]));
        }
        catch (NlftException e)
        {
            throw new NlftException("base model of the model zip", e.Found, e.Expected, e.Remedy, e);
        }
    }

    /// <summary>A folder to pack and unpack in, and a file beside it.</summary>
    private sealed class TemporaryPlace : IDisposable
    {
        private readonly DirectoryInfo _root = Directory.CreateTempSubdirectory("nlft");

        public TemporaryPlace() => _root.CreateSubdirectory("model");

        public string Folder => Path.Combine(_root.FullName, "model");

        public string Archive => Path.Combine(_root.FullName, "model.zip");

        public void Dispose() => _root.Delete(recursive: true);
    }

    /// <summary>Returns the chain with every chain that <see cref="Save"/> wrote replaced by its model.</summary>
    public static TransformerChain<ITransformer> Restore(
        ITransformer loaded, string? modelFolder, IModelEngine? engine, string? zipFolder = null)
    {
        var found = 0;
        var restored = Replace(loaded);
        if (found == 0)
        {
            throw new NlftException("loaded model", "no text generation in it",
                "a model saved by mlContext.Model.Save with a TextGenerationTransformer in it", "Use the loaded model as it is.");
        }
        return restored as TransformerChain<ITransformer> ?? new TransformerChain<ITransformer>(restored);

        ITransformer Replace(ITransformer transformer)
        {
            if (transformer is not IEnumerable<ITransformer> chain) return transformer;
            if (Payload([.. chain]) is not { } payload) return new TransformerChain<ITransformer>([.. chain.Select(Replace)]);
            found++;
            return Unpack(payload, modelFolder, engine, zipFolder);
        }
    }

    /// <summary>Returns the contents of a chain's chunk table, or null when <see cref="Save"/> did not write the chain.</summary>
    private static IEnumerable<ReadOnlyMemory<char>>? Payload(ITransformer[] links)
    {
        if (links.OfType<CustomMappingTransformer<CarrierQuestion, CarrierChunks>>().FirstOrDefault() is not { } chunks) return null;
        return Guard(() =>
        {
            var table = links.OfType<ValueMappingTransformer>().First();
            var rows = new MLContext().Data.LoadFromEnumerable([new CarrierQuestion()]);
            return table.Transform(chunks.Transform(rows)).GetColumn<ReadOnlyMemory<char>[]>(CarrierColumns.Payload).Single();
        });
    }
}
