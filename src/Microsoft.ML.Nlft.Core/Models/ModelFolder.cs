namespace Microsoft.ML.Nlft.Models;

/// <summary>A model folder in Hugging Face layout, opened for reading: configuration, weights (memory-mapped) and where its other files lie.</summary>
public sealed class ModelFolder : IDisposable
{
    private ModelFolder(string path, ModelConfiguration configuration) => (Path, Configuration) = (path, configuration);

    /// <summary>Opens a folder.</summary>
    public static ModelFolder Open(string path) => throw new NotSupportedException();

    /// <summary>Full path of the folder.</summary>
    public string Path { get; }

    /// <summary>config.json.</summary>
    public ModelConfiguration Configuration { get; }

    /// <summary>SHA-256 over config.json and the header and length of every weight file, as lower-case hex: tells base models apart cheaply.</summary>
    public string Fingerprint => throw new NotSupportedException();

    /// <summary>Names of all tensors.</summary>
    public IReadOnlyCollection<string> TensorNames => throw new NotSupportedException();

    /// <summary>The tensor of that name with that shape.</summary>
    /// <exception cref="NlftException">It is missing, has another shape, or an element type that is no float.</exception>
    public TensorData Tensor(string name, params long[] shape) => throw new NotSupportedException();

    /// <inheritdoc/>
    public void Dispose() { }
}
