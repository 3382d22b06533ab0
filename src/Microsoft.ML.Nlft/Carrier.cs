using Microsoft.ML.Data;
using Microsoft.ML.Transforms;

namespace Microsoft.ML.Nlft;

/// <summary>Names the helper columns of the chain that <see cref="ModelZip"/> writes. Saved models depend on these names.</summary>
internal static class CarrierColumns
{
    public const string Question = "__nlft.question", Instruction = "__nlft.instruction", Chunk = "__nlft.chunk", Payload = "__nlft.payload",
        Generated = "__nlft.generated";

    public static string[] All => [Question, Instruction, Chunk, Payload, Generated];
}

/// <summary>The model's inputs under fixed names.</summary>
internal sealed class CarrierRow
{
    public string Question { get; set; } = "";

    public string Instruction { get; set; } = "";
}

/// <summary>Source of the first mapping.</summary>
internal sealed class CarrierQuestion
{
    [ColumnName(CarrierColumns.Question)]
    public string Question { get; set; } = "";
}

/// <summary>The keys of all chunks.</summary>
internal sealed class CarrierChunks
{
    [ColumnName(CarrierColumns.Chunk), VectorType(ModelZip.ChunkCount)]
    public int[] Chunks { get; set; } = [];
}

/// <summary>Source of the second mapping.</summary>
internal sealed class CarrierInput
{
    [ColumnName(CarrierColumns.Question)]
    public string Question { get; set; } = "";

    [ColumnName(CarrierColumns.Instruction)]
    public string Instruction { get; set; } = "";

    [ColumnName(CarrierColumns.Payload), VectorType]
    public VBuffer<ReadOnlyMemory<char>> Payload { get; set; }
}

/// <summary>The answer.</summary>
internal sealed class CarrierOutput
{
    [ColumnName(CarrierColumns.Generated)]
    public string Generated { get; set; } = "";
}

/// <summary>Writes the keys of the chunk table into every row: ML.NET recreates it by its contract name.</summary>
[CustomMappingFactoryAttribute(Contract)]
internal sealed class CarrierChunkFactory : CustomMappingFactory<CarrierQuestion, CarrierChunks>
{
    public const string Contract = "Microsoft.ML.Nlft.Chunks";

    private static readonly int[] Keys = [.. Enumerable.Range(0, ModelZip.ChunkCount)];

    public override Action<CarrierQuestion, CarrierChunks> GetMapping() => static (_, destination) => destination.Chunks = Keys;
}

/// <summary>Assembles the model on the first row and answers one row at a time.</summary>
[CustomMappingFactoryAttribute(Contract)]
internal sealed class CarrierAnswerFactory : CustomMappingFactory<CarrierInput, CarrierOutput>
{
    public const string Contract = "Microsoft.ML.Nlft.Answer";

    public override Action<CarrierInput, CarrierOutput> GetMapping()
    {
        var gate = new Lock();
        TextGenerationTransformer? model = null;
        return (source, destination) =>
        {
            lock (gate)
            {
                model ??= ModelZip.Unpack(source.Payload.DenseValues(), modelFolder: null, engine: null);
                destination.Generated = model.AnswerOne(source.Question, source.Instruction);
            }
        };
    }
}
