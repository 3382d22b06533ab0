using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Engines.Managed;
using Microsoft.ML.Nlft.ModelFiles;
using Microsoft.ML.Nlft.TorchSharp.Runtime;

namespace Microsoft.ML.Nlft.TorchSharp;

/// <summary>
/// The GPU engine: models on TorchSharp, on NVIDIA GPUs or the CPU. The native library is the program's choice: reference
/// TorchSharp-cuda-linux, TorchSharp-cuda-windows or TorchSharp-cpu beside this package.
/// </summary>
/// <example><code>
/// var engine = new TorchSharpEngine(new() { Device = "cuda:0", RecomputeActivations = true });
/// </code></example>
public sealed class TorchSharpEngine : IModelEngine
{
    private readonly Lazy<Device> _device;

    /// <summary>Creates an engine. The native library is loaded when the device is first needed.</summary>
    /// <param name="options">Where and how to compute; null: the defaults.</param>
    /// <exception cref="NlftException">An option is out of its range.</exception>
    public TorchSharpEngine(TorchSharpEngineOptions? options = null)
        : this(options ?? new(), rankOnHost: 0)
    {
    }

    private TorchSharpEngine(TorchSharpEngineOptions options, int rankOnHost)
    {
        Options = options;
        DeviceChoice.Validate(Options);
        _device = new Lazy<Device>(() => DeviceChoice.Make(Options, rankOnHost));
    }

    /// <summary>The options.</summary>
    public TorchSharpEngineOptions Options { get; }

    /// <inheritdoc/>
    public string Name => "torchsharp";

    /// <summary>
    /// The name with kind of device, <see cref="ComputeType"/> and int8 or int4 weights, for example "torchsharp on cuda, BF16".
    /// </summary>
    /// <exception cref="NlftException">As for <see cref="Device"/>.</exception>
    public string Arithmetic => $"torchsharp on {(_device.Value.type == DeviceType.CPU ? "cpu" : "cuda")}, "
        + $"{ComputeType}{(Bits is { } bits ? $", int{bits} weights" : "")}";

    /// <summary>The device in use, for example <c>cuda:0</c>.</summary>
    /// <exception cref="NlftException">
    /// The native library or the device cannot be used; the message says what was tried and which package to add.
    /// </exception>
    public string Device => _device.Value.type == DeviceType.CPU ? "cpu" : $"cuda:{_device.Value.index}";

    /// <summary>The type of frozen weights, activations and products on that device: BF16 or F32.</summary>
    /// <exception cref="NlftException">As for <see cref="Device"/>.</exception>
    public TensorType ComputeType => Options.ComputeType ?? (_device.Value.type == DeviceType.CPU ? TensorType.F32 : TensorType.BF16);

    /// <summary>Whether the backward pass recomputes activations.</summary>
    internal bool Recompute => Options.RecomputeActivations || Bits is not null;

    /// <summary>Bits of an element of the layers' frozen matrices, 8 or 4; null: those of the compute type.</summary>
    internal int? Bits => Options.Int4Weights ? 4 : Options.Int8Weights ? 8 : null;

    /// <inheritdoc/>
    public ICausalLanguageModel Load(ModelLoadOptions options, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        if (Bits is { } bits && options.Trainable == TrainableWeights.All)
        {
            throw new NlftException($"option Int{bits}Weights", "true", "false when all weights are trained",
                $"Train a LoRA adapter, or leave Int{bits}Weights out.");
        }
        return TorchErrors.Explain(Device, () => new TorchLanguageModel(this, _device.Value, options, cancellationToken));
    }

    /// <summary>
    /// Estimates the memory that a model needs on the device in use, with the options of this engine; null if the driver of a GPU does not report
    /// how much memory it has.
    /// </summary>
    /// <param name="request">The model, the weights that are trained, and the tokens of a pass.</param>
    /// <exception cref="NlftException">As for <see cref="Device"/>.</exception>
    public MemoryNeed? Estimate(MemoryRequest request)
    {
        ArgumentNullException.ThrowIfNull(request);
        if (TorchSharpMemory.Available(_device.Value) is not { } available) return null;
        var estimate = new TorchSharpMemoryEstimate(request.Model, ComputeType, request.Tokens);
        var all = request.Trainable == TrainableWeights.All;
        var lora = all ? null : request.Lora ?? new();
        var trained = request.Trainable == TrainableWeights.None ? 0 : lora is null ? estimate.Parameters
            : MemoryEstimate.AdapterParameters(lora, request.Model);
        MemoryNeed Need(int? bits, bool recompute) => new()
        {
            Weights = all ? 0 : bits switch { 4 => estimate.Int4Weights, 8 => estimate.Int8Weights, _ => estimate.Weights },
            Trained = TorchSharpMemoryEstimate.Trained(trained, ComputeType, all),
            Activations = request.Tokens == 0 ? 0 : request.ScoresOnly ? estimate.ScoringActivations : estimate.Activations(lora, recompute),
            Available = available,
        };
        var need = Need(Bits, Recompute);
        var savings = new List<MemorySaving> { new("set RecomputeActivations of the engine", Need(Bits, recompute: true)) };
        foreach (var bits in all ? [] : (int[])[8, 4]) savings.Add(new($"set Int{bits}Weights of the engine", Need(bits, recompute: true)));
        return need with { Savings = [.. savings.Where(saving => saving.Need.Sum < need.Sum)] };
    }

    /// <summary>
    /// Returns an engine with the same options on that GPU, or this one when <see cref="TorchSharpEngineOptions.Device"/> or
    /// <see cref="TorchSharpEngineOptions.GpuDeviceId"/> is set.
    /// </summary>
    /// <param name="deviceId">The GPU's number, 0 or more.</param>
    /// <param name="fallbackToCpu">
    /// Whether to use the CPU if the GPU cannot be used; ignored when <see cref="TorchSharpEngineOptions.FallbackToCpu"/> is off.
    /// </param>
    /// <exception cref="NlftException">The number is below 0.</exception>
    public IModelEngine OnGpu(int deviceId, bool fallbackToCpu) => Options.Device is not null || Options.GpuDeviceId is not null ? this
        : new TorchSharpEngine(Options with { GpuDeviceId = deviceId, FallbackToCpu = Options.FallbackToCpu && fallbackToCpu });

    /// <summary>
    /// Returns an engine with the same options on the GPU of one of several processes, the processes taking the GPUs in turn; this one when
    /// <see cref="TorchSharpEngineOptions.Device"/> or <see cref="TorchSharpEngineOptions.GpuDeviceId"/> is set.
    /// </summary>
    /// <param name="rankOnHost">The process's number on the machine, from 0.</param>
    public IModelEngine ForProcess(int rankOnHost) =>
        Options.Device is not null || Options.GpuDeviceId is not null ? this : new TorchSharpEngine(Options, rankOnHost);

    /// <summary>Returns the memory of the device in use, now and at its peak.</summary>
    /// <exception cref="NlftException">As for <see cref="Device"/>.</exception>
    public TorchSharpMemory MeasureMemory() => TorchSharpMemory.Measure(_device.Value);
}
