namespace Microsoft.ML.Nlft.Tests;

/// <summary>A row of the usual columns.</summary>
public class Row
{
    public string Question { get; set; } = "";

    public string Response { get; set; } = "";

    public string Judgment { get; set; } = "";

    public string Answer { get; set; } = "";

    /// <summary>A column that is not text.</summary>
    public float Weight { get; set; }
}

/// <summary>A row with what was generated.</summary>
public sealed class AnsweredRow : Row
{
    public string GeneratedAnswer { get; set; } = "";
}
