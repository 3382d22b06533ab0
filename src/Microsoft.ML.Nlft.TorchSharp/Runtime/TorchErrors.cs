using System.Runtime.InteropServices;

namespace Microsoft.ML.Nlft.TorchSharp.Runtime;

/// <summary>libtorch reports everything as an <see cref="ExternalException"/>: the one that users can do something about becomes a message.</summary>
internal static class TorchErrors
{
    /// <summary>Runs something on the device; memory that runs out is reported with what helps.</summary>
    /// <exception cref="NlftException">The device has not enough memory.</exception>
    public static T Explain<T>(string device, Func<T> work)
    {
        try
        {
            return work();
        }
        catch (ExternalException exception) when (IsOutOfMemory(exception.Message))
        {
            throw new NlftException($"device {device}", $"not enough memory ({exception.Message.Split('\n', 2)[0].Trim()})", "room for the model and the batch",
                "Use smaller batches or shorter sequences, or set RecomputeActivations or Int8Weights of TorchSharpEngineOptions.", exception);
        }
    }

    private static bool IsOutOfMemory(string message) =>
        message.Contains("out of memory", StringComparison.OrdinalIgnoreCase) || message.Contains("can't allocate memory", StringComparison.OrdinalIgnoreCase);
}
