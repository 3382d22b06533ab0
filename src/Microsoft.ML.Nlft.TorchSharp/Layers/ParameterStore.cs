using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.TorchSharp.Layers;

/// <summary>
/// All trainable tensors, float32, end to end in one flat tensor on the device; three more flat tensors hold the gradients and the moments of AdamW.
/// A step therefore takes a handful of kernel launches, whatever the number of parameters. Where layers compute in a narrower type, a flat copy in
/// that type and one of its gradients serve a whole pass.
/// </summary>
internal sealed class ParameterStore : IDisposable
{
    private readonly List<Parameter> _parameters = [];
    private readonly Dictionary<string, Parameter> _byName = new(StringComparer.Ordinal);
    private readonly Tensor _values;
    private readonly Tensor[] _training = []; // gradients, first and second moments
    private readonly Tensor? _copy, _copyGradients; // in the narrower type
    private int _copyVersion = -1;

    /// <summary>Allocates the flat tensors, filled with zeros.</summary>
    /// <param name="layout">Names and shapes.</param>
    /// <param name="trainable">Whether to allocate gradients and moments.</param>
    /// <param name="device">The device.</param>
    /// <param name="copyType">The type of the copy; float32 for none.</param>
    public ParameterStore(IReadOnlyList<(string Name, int[] Shape)> layout, bool trainable, Device device, ScalarType copyType)
    {
        var total = layout.Sum(tensor => Length(tensor.Shape));
        _values = zeros(total, float32, device).DetachFromDisposeScope();
        if (trainable) _training = [.. Enumerable.Range(0, 3).Select(_ => zeros(total, float32, device).DetachFromDisposeScope())];
        if (copyType != float32)
        {
            _copy = zeros(total, copyType, device).DetachFromDisposeScope();
            if (trainable) _copyGradients = zeros(total, copyType, device).DetachFromDisposeScope();
        }
        var offset = 0L;
        foreach (var (name, shape) in layout)
        {
            var (values, gradient) = Leaf(_values, trainable ? Gradients : null, offset, shape);
            var (copy, copyGradient) = _copy is null ? (values, null) : Leaf(_copy, _copyGradients, offset, shape);
            _parameters.Add(new Parameter(name, shape, offset, values, gradient, copy, copyGradient));
            _byName.Add(name, _parameters[^1]);
            offset += Length(shape);
        }
    }

    /// <summary>Brings the copy up to date, before a pass.</summary>
    public void UpdateCopy()
    {
        if (_copy is null || _copyVersion == Version) return;
        using var noGradient = no_grad();
        _copy.copy_(_values);
        _copyVersion = Version;
    }

    /// <summary>Adds the gradients of the copy to those of the values, after a backward pass.</summary>
    public void AddCopyGradients()
    {
        if (_copyGradients is null) return;
        using var noGradient = no_grad();
        Gradients.Add(_copyGradients);
        _copyGradients.zero_().Dispose();
    }

    public Parameter this[string name] => _byName[name];

    /// <summary>Number of optimizer steps taken.</summary>
    public int Steps { get; set; }

    /// <summary>Counts the changes of the values, so that what is computed from them can be kept until they change.</summary>
    public int Version { get; set; }

    public Tensor Values => _values;
    public Tensor Gradients => Training(0);
    public Tensor Moment1 => Training(1);
    public Tensor Moment2 => Training(2);

    /// <summary>Multiplies the tensors to which weight decay applies by a factor, neighbours in one launch.</summary>
    public void Decay(Scalar factor)
    {
        for (var i = 0; i < _parameters.Count;)
        {
            var (first, length) = (i, 0L);
            for (; i < _parameters.Count && AdamWOptions.Decays(_parameters[i].Name); i++) length += Length(_parameters[i].Shape);
            if (length > 0) _values.narrow(0, _parameters[first].Offset, length).mul_(factor);
            else i++;
        }
    }

    public void ClearGradients()
    {
        if (_training.Length > 0) Gradients.zero_().Dispose();
        _copyGradients?.zero_().Dispose();
    }

    public IReadOnlyList<NamedTensor> Export(ModelState state) => state switch
    {
        ModelState.Weights => [.. Export(_values)],
        ModelState.Gradients => [.. Export(Gradients)],
        ModelState.Optimizer => [.. Export(Moment1, ".exp_avg"), .. Export(Moment2, ".exp_avg_sq"), new("step", [], [Steps])],
        _ => throw new ArgumentOutOfRangeException(nameof(state), state, null),
    };

    public void Import(ModelState state, IReadOnlyList<NamedTensor> tensors)
    {
        (string Suffix, Tensor Flat)[] targets = state switch
        {
            ModelState.Weights => [("", _values)],
            ModelState.Gradients => [("", Gradients)],
            ModelState.Optimizer => [(".exp_avg", Moment1), (".exp_avg_sq", Moment2)],
            _ => throw new ArgumentOutOfRangeException(nameof(state), state, null),
        };
        var shapes = _parameters.SelectMany(p => targets.Select(target => (Name: p.Name + target.Suffix, p.Shape)))
            .ToDictionary(tensor => tensor.Name, tensor => tensor.Shape);
        if (state == ModelState.Optimizer) shapes.Add("step", []);
        NamedTensors.RequireExactly(tensors, shapes); // all names and shapes, before any value is replaced

        var values = tensors.ToDictionary(tensor => tensor.Name, tensor => tensor.Values);
        foreach (var (suffix, flat) in targets)
        {
            foreach (var p in _parameters)
            {
                using var scope = NewDisposeScope();
                flat.narrow(0, p.Offset, Length(p.Shape)).copy_(tensor(values[p.Name + suffix], [Length(p.Shape)]));
            }
        }
        if (state == ModelState.Optimizer) Steps = (int)values["step"][0];
        Version++;
    }

    /// <summary>Sets the values of a parameter.</summary>
    public void Fill(string name, float[] values) => Fill(name, () => tensor(values, [values.Length]));

    /// <summary>Sets the values of a parameter from a file, widened to float32.</summary>
    public void Fill(string name, TensorData data) => Fill(name, () => Weight.FromFile(data).flatten());

    private void Fill(string name, Func<Tensor> values)
    {
        using var scope = NewDisposeScope();
        var parameter = _byName[name];
        _values.narrow(0, parameter.Offset, Length(parameter.Shape)).copy_(values());
    }

    public void Dispose()
    {
        foreach (var parameter in _parameters)
        {
            parameter.Values.Dispose();
            parameter.Gradient?.Dispose();
            if (_copy is not null) parameter.Copy.Dispose();
            parameter.CopyGradient?.Dispose();
        }
        _values.Dispose();
        _copy?.Dispose();
        _copyGradients?.Dispose();
        foreach (var flat in _training) flat.Dispose();
    }

    private IEnumerable<NamedTensor> Export(Tensor flat, string suffix = "")
    {
        foreach (var p in _parameters)
        {
            using var part = flat.narrow(0, p.Offset, Length(p.Shape));
            using var host = part.cpu();
            yield return new NamedTensor(p.Name + suffix, p.Shape, host.data<float>().ToArray());
        }
    }

    /// <summary>A part of the values that is a leaf of graphs; backward passes add to its part of the gradients in place.</summary>
    private static (Tensor Values, Tensor? Gradient) Leaf(Tensor values, Tensor? gradients, long offset, int[] shape)
    {
        var part = View(values, offset, shape);
        if (gradients is null) return (part, null);
        part.requires_grad = true;
        var gradient = View(gradients, offset, shape);
        part.grad = gradient;
        return (part, gradient);
    }

    private static Tensor View(Tensor flat, long offset, int[] shape)
    {
        using var part = flat.narrow(0, offset, Length(shape));
        using var view = part.view([.. shape.Select(size => (long)size)]);
        return view.detach().DetachFromDisposeScope();
    }

    private static long Length(int[] shape) => shape.Aggregate(1L, (product, size) => product * size);

    private Tensor Training(int index) => _training.Length > 0 ? _training[index]
        : throw new InvalidOperationException("The model was loaded for inference: load it with Trainable = Lora or All to train it.");
}

/// <summary>A trainable float32 tensor: views of its parts of the flat tensors.</summary>
/// <param name="Name">The name.</param>
/// <param name="Shape">The shape.</param>
/// <param name="Offset">Where the values begin in the flat tensors.</param>
/// <param name="Values">The values.</param>
/// <param name="Gradient">The gradients; null if the model is not trained.</param>
/// <param name="Copy">The values in the type that layers compute in: a copy, or the values themselves.</param>
/// <param name="CopyGradient">The gradients of a copy that is trained.</param>
internal sealed record Parameter(string Name, int[] Shape, long Offset, Tensor Values, Tensor? Gradient, Tensor Copy, Tensor? CopyGradient)
{
    /// <summary>Where a backward pass adds gradients: those of the copy, or of the values.</summary>
    public Tensor Sum => CopyGradient ?? Gradient!;
}
