using Microsoft.ML.Nlft.Engines;

namespace Microsoft.ML.Nlft;

/// <summary>Passes the GPU settings of an <see cref="MLContext"/> on to the engine.</summary>
internal static class EngineChoice
{
    /// <summary>Returns the engine on the context's GPU, or unchanged when the context names none.</summary>
    public static IModelEngine? Of(MLContext mlContext, IModelEngine? engine) =>
        engine is not null && mlContext.GpuDeviceId is { } device ? engine.OnGpu(device, mlContext.FallbackToCpu) : engine;
}
