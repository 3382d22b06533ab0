namespace Microsoft.ML.Nlft.Tool;

/// <summary>Exit codes of the process.</summary>
internal static class ExitCode
{
    /// <summary>The command succeeded.</summary>
    public const int Success = 0;

    /// <summary>A file, a row, an option's value or a model cannot be used, or a check failed.</summary>
    public const int BadInput = 1;

    /// <summary>The command line is not valid.</summary>
    public const int Usage = 2;

    /// <summary>The command was interrupted: 128 + SIGINT, the shells' convention.</summary>
    public const int Cancelled = 130;
}
