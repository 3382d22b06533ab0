using Microsoft.ML.Nlft.Engines;

namespace Microsoft.ML.Nlft;

/// <summary>What an <see cref="MLContext"/> says of GPUs reaches the engine.</summary>
internal static class EngineChoice
{
    /// <summary>The engine on the context's GPU, or as it is when the context names none.</summary>
    public static IModelEngine? Of(MLContext mlContext, IModelEngine? engine) =>
        engine is not null && mlContext.GpuDeviceId is { } device ? engine.OnGpu(device, mlContext.FallbackToCpu) : engine;
}
