namespace Microsoft.ML.Nlft.ModelFiles;

/// <summary>
/// The order of the values of B for a stack of experts. In PEFT's files it is [out, r, E], so that every column belongs to one expert; products need
/// the matrix of an expert by itself, [E, out, r]. A is [E, r, in] in both.
/// </summary>
internal static class StackedFactor
{
    /// <summary>Returns the values expert by expert.</summary>
    /// <param name="file">The values in the order of the file.</param>
    /// <param name="experts">E.</param>
    public static float[] ByExpert(ReadOnlySpan<float> file, int experts)
    {
        var values = new float[file.Length];
        for (var i = 0; i < file.Length; i++) values[IndexByExpert(i, file.Length, experts)] = file[i];
        return values;
    }

    /// <summary>Returns the values in the order of the file.</summary>
    /// <param name="byExpert">The values expert by expert.</param>
    /// <param name="experts">E.</param>
    public static float[] InFile(ReadOnlySpan<float> byExpert, int experts)
    {
        var values = new float[byExpert.Length];
        for (var i = 0; i < values.Length; i++) values[i] = byExpert[IndexByExpert(i, values.Length, experts)];
        return values;
    }

    private static int IndexByExpert(int index, int length, int experts)
    {
        var (row, expert) = Math.DivRem(index, experts); // row = output * rank + k
        return expert * (length / experts) + row;
    }
}
