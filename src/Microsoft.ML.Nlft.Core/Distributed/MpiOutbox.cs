using System.Runtime.InteropServices;

namespace Microsoft.ML.Nlft.Distributed;

/// <summary>Messages that have been begun and whose bytes MPI may still read. They leave while somebody calls the library. Not safe for concurrent use: the session's lock is held.</summary>
internal sealed unsafe class MpiOutbox(MpiLibrary library)
{
    private readonly List<(nint Request, nint Bytes)> _sending = [];

    /// <summary>Whether all have left, as far as <see cref="Clear"/> knows.</summary>
    public bool IsEmpty => _sending.Count == 0;

    /// <summary>Begins a message; its bytes are copied.</summary>
    public void Send(int to, int tag, ReadOnlySpan<byte> content, nint communicator)
    {
        var bytes = (byte*)NativeMemory.Alloc((nuint)Math.Max(1, content.Length));
        content.CopyTo(new Span<byte>(bytes, content.Length));
        _sending.Add((library.BeginSend(bytes, content.Length, to, tag, communicator), (nint)bytes));
    }

    /// <summary>Lets go of those that have left.</summary>
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
