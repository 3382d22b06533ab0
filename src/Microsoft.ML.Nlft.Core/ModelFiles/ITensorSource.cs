namespace Microsoft.ML.Nlft.ModelFiles;

/// <summary>Where the tensors of a model come from: safetensors files, or a GGUF file.</summary>
internal interface ITensorSource : IDisposable
{
    /// <summary>The names of the tensors, those of a Hugging Face checkpoint.</summary>
    IReadOnlyCollection<string> Names { get; }

    /// <summary>
    /// What identifies the files without reading the weights: the headers, with the length of each file.
    /// </summary>
    IEnumerable<(ReadOnlyMemory<byte> Header, long Length)> Headers { get; }

    /// <summary>Checks that a tensor exists with that shape and a float type.</summary>
    /// <exception cref="NlftException">It does not.</exception>
    void Require(string name, ReadOnlySpan<long> shape);

    /// <summary>Returns a tensor.</summary>
    /// <exception cref="NlftException">There is none of that name.</exception>
    StoredTensor Tensor(string name);
}
