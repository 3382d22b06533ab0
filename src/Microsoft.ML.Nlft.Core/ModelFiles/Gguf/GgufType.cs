namespace Microsoft.ML.Nlft.ModelFiles;

/// <summary>The element types of a GGUF file, with the numbers of the format.</summary>
public enum GgufType : uint
{
#pragma warning disable CS1591 // the names are those of the format
    F32 = 0, F16 = 1, Q4_0 = 2, Q4_1 = 3, Q5_0 = 6, Q5_1 = 7, Q8_0 = 8, Q8_1 = 9, Q2_K = 10, Q3_K = 11, Q4_K = 12, Q5_K = 13, Q6_K = 14, Q8_K = 15,
    IQ2_XXS = 16, IQ2_XS = 17, IQ3_XXS = 18, IQ1_S = 19, IQ4_NL = 20, IQ3_S = 21, IQ2_S = 22, IQ4_XS = 23, I8 = 24, I16 = 25, I32 = 26, I64 = 27,
    F64 = 28, IQ1_M = 29, BF16 = 30, TQ1_0 = 34, TQ2_0 = 35, MXFP4 = 39,
#pragma warning restore CS1591
}

/// <summary>Sizes of the element types. The values of a row are stored in blocks; a type that is not quantised has blocks of one.</summary>
internal static class GgufTypes
{
    /// <summary>The types that are read.</summary>
    public const string Names = "F32, F16, BF16, F64, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K, IQ4_NL, IQ4_XS or MXFP4";

    /// <summary>Returns the values and the bytes of a block; (0, 0) for a type that is not read.</summary>
    public static (int Values, int Bytes) Block(this GgufType type) => type switch
    {
        GgufType.F32 => (1, 4),
        GgufType.F16 or GgufType.BF16 => (1, 2),
        GgufType.F64 => (1, 8),
        GgufType.Q4_0 => (32, 18),
        GgufType.Q4_1 => (32, 20),
        GgufType.Q5_0 => (32, 22),
        GgufType.Q5_1 => (32, 24),
        GgufType.Q8_0 => (32, 34),
        GgufType.Q2_K => (256, 84),
        GgufType.Q3_K => (256, 110),
        GgufType.Q4_K => (256, 144),
        GgufType.Q5_K => (256, 176),
        GgufType.Q6_K => (256, 210),
        GgufType.IQ4_NL => (32, 18),
        GgufType.IQ4_XS => (256, 136),
        GgufType.MXFP4 => (32, 17),
        _ => (0, 0),
    };

    /// <summary>Returns the type that holds the values without loss: the same one, or F32 for a quantised one.</summary>
    public static TensorType Lossless(this GgufType type) => type switch
    {
        GgufType.F16 => TensorType.F16,
        GgufType.BF16 => TensorType.BF16,
        GgufType.F64 => TensorType.F64,
        _ => TensorType.F32,
    };

    /// <summary>
    /// How a quantised type is held in memory: elements of 5 and 6 bits, and those that stand for values of a table, in bytes, with a float32 scale
    /// for each group of a block.
    /// </summary>
    public static BlockFormat Held(this GgufType type) => type switch
    {
        GgufType.Q4_0 => new(4, 32, HasMinimum: false),
        GgufType.Q4_1 or GgufType.Q4_K => new(4, 32, HasMinimum: true),
        GgufType.Q5_0 or GgufType.Q8_0 or GgufType.IQ4_NL or GgufType.IQ4_XS or GgufType.MXFP4 => new(8, 32, HasMinimum: false),
        GgufType.Q5_1 or GgufType.Q5_K => new(8, 32, HasMinimum: true),
        GgufType.Q3_K or GgufType.Q6_K => new(8, 16, HasMinimum: false),
        GgufType.Q2_K => new(8, 16, HasMinimum: true),
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, "The type is not quantised."),
    };

    /// <summary>Whether values are stored in blocks of several.</summary>
    public static bool IsQuantised(this GgufType type) => type.Block().Values > 1;
}
