using System.Runtime.InteropServices;

namespace Microsoft.ML.Nlft.TorchSharp.Runtime;

/// <summary>Translates the one error of libtorch that users can act on. libtorch reports all errors as <see cref="ExternalException"/>.</summary>
internal static class TorchErrors
{
    /// <summary>Runs <paramref name="work"/>; turns an out-of-memory error into a message with a remedy.</summary>
    /// <exception cref="NlftException">The device does not have enough memory.</exception>
    public static T Explain<T>(string device, Func<T> work)
    {
        try
        {
            return work();
        }
        catch (ExternalException exception) when (IsOutOfMemory(exception.Message))
        {
            var cause = exception.Message.Split('\n', 2)[0].Trim();
            throw new NlftException($"device {device}", $"not enough memory ({cause})", "room for the model and the batch",
                "Use smaller batches or shorter sequences, or set RecomputeActivations, Int8Weights or Int4Weights of TorchSharpEngineOptions.",
                exception);
        }
    }

    private static bool IsOutOfMemory(string message) =>
        message.Contains("out of memory", StringComparison.OrdinalIgnoreCase)
        || message.Contains("can't allocate memory", StringComparison.OrdinalIgnoreCase);
}
