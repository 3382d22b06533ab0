namespace Microsoft.ML.Nlft.ModelFiles;

/// <summary>
/// The order of a head's rows: a Hugging Face checkpoint has the two values of a rotary pair half a head apart, a llama of a GGUF file side by side.
/// Of pair i in head h, the rows are h d + i and h d + i + d/2 in the checkpoint, h d + 2 i and h d + 2 i + 1 in the file (d: rows of a head).
/// </summary>
internal static class RotaryOrder
{
    /// <summary>Returns whether a weight or a module has rows in heads that are rotated.</summary>
    public static bool IsRotated(string name) =>
        name.Contains(".self_attn.q_proj", StringComparison.Ordinal) || name.Contains(".self_attn.k_proj", StringComparison.Ordinal);

    /// <summary>Returns the checkpoint's row that is a row of the file.</summary>
    /// <param name="row">The row of the file.</param>
    /// <param name="headSize">Rows of a head, even; or 1 where rows stay.</param>
    public static int Source(int row, int headSize) =>
        headSize == 1 ? row : row - row % headSize + row % headSize / 2 + row % 2 * (headSize / 2);

    /// <summary>Returns the file's row that is a row of the checkpoint.</summary>
    /// <param name="row">The row of the checkpoint.</param>
    /// <param name="headSize">Rows of a head, even.</param>
    public static long Stored(long row, long headSize)
    {
        var within = row % headSize;
        return row - within + within % (headSize / 2) * 2 + within / (headSize / 2);
    }
}
