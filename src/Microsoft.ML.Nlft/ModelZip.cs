using System.IO.Compression;
using Microsoft.ML.Data;
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
    /// <summary>The limit of adapter weights in bytes: the chain holds several copies while it loads.</summary>
    public const long MaximumAdapterBytes = 32L << 20;

    /// <summary>Number of chunks: many rows of moderate size instead of one huge text. Fixed, because saved files depend on it.</summary>
    public const int ChunkCount = 64;

    public static void Save(TextGenerationTransformer model, ModelSaveContext ctx)
    {
        var bytes = model.Adapter?.Factors.Sum(f => (long)f.Values.Length * sizeof(float)) ?? 0;
        if (bytes > MaximumAdapterBytes)
        {
            throw new NlftException("adapter for the model zip", $"{bytes:N0} bytes", $"at most {MaximumAdapterBytes:N0}",
                "Save it as a folder with mlContext.Nlft().Save and load it with mlContext.Nlft().Load.");
        }
        var mlContext = new MLContext();
        ((ICanSaveModel)Chain(mlContext, model, Pack(model)).Fit(NoRows(mlContext, model))).Save(ctx);
    }

    private static EstimatorChain<ITransformer> Chain(MLContext mlContext, TextGenerationTransformer model, string payload)
    {
        var transforms = mlContext.Transforms;
        return new EstimatorChain<ITransformer>()
            .Append(transforms.CopyColumns(CarrierColumns.Question, model.QuestionColumnName))
            .Append(transforms.CopyColumns(CarrierColumns.Instruction, model.InstructionColumnName ?? model.QuestionColumnName))
            .Append(transforms.CustomMapping(new CarrierChunkFactory().GetMapping(), CarrierChunkFactory.Contract))
            .Append(transforms.Conversion.MapValue(CarrierColumns.Payload, Chunks(payload), CarrierColumns.Chunk))
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

    private static IEnumerable<KeyValuePair<int, string>> Chunks(string payload)
    {
        var size = (payload.Length + ChunkCount - 1) / ChunkCount;
        for (var i = 0; i < ChunkCount; i++)
        {
            var start = Math.Min(i * size, payload.Length);
            yield return new(i, payload[start..Math.Min(start + size, payload.Length)]);
        }
    }

    /// <summary>Packs the files of the saved folder as a zip archive in base64.</summary>
    private static string Pack(TextGenerationTransformer model)
    {
        var folder = Directory.CreateTempSubdirectory("nlft");
        try
        {
            model.Model.Save(folder.FullName, model.Settings, model.Card);
            using var archive = new MemoryStream();
            ZipFile.CreateFromDirectory(folder.FullName, archive);
            return Convert.ToBase64String(archive.GetBuffer(), 0, (int)archive.Length);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    /// <summary>Reverses <see cref="Pack"/>.</summary>
    public static TextGenerationTransformer Unpack(string payload, string? modelFolder, Engines.IModelEngine? engine)
    {
        var folder = Directory.CreateTempSubdirectory("nlft");
        try
        {
            using var archive = new MemoryStream(Convert.FromBase64String(payload));
            ZipFile.ExtractToDirectory(archive, folder.FullName);
            return SavedModel.Load(folder.FullName, modelFolder, engine);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    /// <summary>Returns the chain with every chain that <see cref="Save"/> wrote replaced by its model.</summary>
    public static TransformerChain<ITransformer> Restore(ITransformer loaded, string? modelFolder, Engines.IModelEngine? engine)
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
            return Unpack(payload, modelFolder, engine);
        }
    }

    /// <summary>Returns the contents of a chain's chunk table, or null when <see cref="Save"/> did not write the chain.</summary>
    private static string? Payload(ITransformer[] links)
    {
        if (links.OfType<CustomMappingTransformer<CarrierQuestion, CarrierChunks>>().FirstOrDefault() is not { } chunks) return null;
        var table = links.OfType<ValueMappingTransformer>().First();
        var rows = new MLContext().Data.LoadFromEnumerable([new CarrierQuestion()]);
        return string.Concat(table.Transform(chunks.Transform(rows)).GetColumn<string[]>(CarrierColumns.Payload).Single());
    }
}
