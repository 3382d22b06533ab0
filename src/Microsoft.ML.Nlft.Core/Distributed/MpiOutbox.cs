using System.Runtime.InteropServices;

namespace Microsoft.ML.Nlft.Distributed;

/// <summary>
/// Holds the bytes of pending sends until MPI has read them. MPI makes progress only inside its calls. Not thread-safe: the caller holds the
/// session's lock.
/// </summary>
internal sealed unsafe class MpiOutbox(MpiLibrary library)
{
    private readonly List<(nint Request, nint Bytes)> _sending = [];

    /// <summary>Whether no send was pending at the last <see cref="Clear"/>.</summary>
    public bool IsEmpty => _sending.Count == 0;

    /// <summary>Starts a send; the bytes are copied.</summary>
    public void Send(int to, int tag, ReadOnlySpan<byte> content, nint communicator)
    {
        var bytes = (byte*)NativeMemory.Alloc((nuint)Math.Max(1, content.Length));
        content.CopyTo(new Span<byte>(bytes, content.Length));
        _sending.Add((library.BeginSend(bytes, content.Length, to, tag, communicator), (nint)bytes));
    }

    /// <summary>Frees the bytes of completed sends.</summary>
    public void Clear()
    {
        for (var i = _sending.Count - 1; i >= 0; i--)
        {
            var (request, bytes) = _sending[i];
            if (!library.IsDone(ref request)) continue;
            NativeMemory.Free((void*)bytes);
            _sending.RemoveAt(i);
        }
    }
}
