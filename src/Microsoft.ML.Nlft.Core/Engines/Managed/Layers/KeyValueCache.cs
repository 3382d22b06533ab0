using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Microsoft.ML.Nlft.Engines.Managed.Kernels;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.Engines.Managed.Layers;

/// <summary>
/// The keys (after RoPE) and values of one sequence in every layer, in pages of <see cref="Page"/> positions, allocated as the sequence grows.
/// A page holds, head by head, the panels of K^T [d x page] and of V [page x d]: the right factors of the two products of a new query. Sequences
/// that begin alike share the pages of their beginning (<see cref="Fork"/>).
/// </summary>
internal sealed class KeyValueCache(ModelConfiguration configuration, Workspace workspace) : IDisposable
{
    /// <summary>Positions of a page. Positions beyond the length of the sequence have no meaning.</summary>
    public const int Page = 64;

    private readonly int _heads = configuration.KeyValueHeadCount, _size = configuration.HeadSize;
    private readonly int _keySize = PackedMatrix.Size(configuration.HeadSize, Page); // floats of one head
    private readonly int _valueSize = PackedMatrix.Size(Page, configuration.HeadSize);
    private readonly List<CachePage>[] _pages = [.. Enumerable.Range(0, configuration.LayerCount).Select(_ => new List<CachePage>())];
    private readonly int[] _lengths = new int[configuration.LayerCount];

    /// <summary>Number of positions stored for one layer.</summary>
    public int Length(int layer) => _lengths[layer];

    /// <summary>Bytes of the pages, shared ones included.</summary>
    public long Bytes => (long)_pages.Sum(pages => pages.Count) * _heads * (_keySize + _valueSize) * sizeof(float);

    /// <summary>Makes room for <paramref name="count"/> more positions of one layer, to be filled by <see cref="Store"/>.</summary>
    public void Extend(int layer, int count)
    {
        _lengths[layer] += count;
        while (_pages[layer].Count * Page < _lengths[layer]) _pages[layer].Add(NewPage());
    }

    /// <summary>Forgets the last <paramref name="count"/> positions; their pages stay for those to come.</summary>
    public void Shorten(int count)
    {
        for (var layer = 0; layer < _lengths.Length; layer++) _lengths[layer] -= count;
    }

    /// <summary>Stores the part of one head of a key and a value row [heads d] at a position.</summary>
    public void Store(int layer, int head, int position, ReadOnlySpan<float> key, ReadOnlySpan<float> value)
    {
        var (page, index) = Math.DivRem(position, Page);
        var data = _pages[layer][page].Panels[head];
        PackedMatrix.SetColumn(data[.._keySize], index, key.Slice(head * _size, _size));
        PackedMatrix.SetRow(data[_keySize..], Page, index, value.Slice(head * _size, _size));
    }

    /// <summary>Stores a key and a value row [heads d] at a position.</summary>
    public void StoreRow(int layer, int position, ReadOnlySpan<float> key, ReadOnlySpan<float> value)
    {
        for (var head = 0; head < _heads; head++) Store(layer, head, position, key, value);
    }

    /// <summary>Reads a key and a value row [heads d] of a position.</summary>
    public void Load(int layer, int position, Span<float> key, Span<float> value)
    {
        var (page, index) = Math.DivRem(position, Page);
        for (var head = 0; head < _heads; head++)
        {
            var data = _pages[layer][page].Panels[head];
            PackedMatrix.GetColumn(data[.._keySize], index, key.Slice(head * _size, _size));
            PackedMatrix.GetRow(data[_keySize..], Page, index, value.Slice(head * _size, _size));
        }
    }

    /// <summary>K^T of one head in one page [d x page].</summary>
    public unsafe PackedMatrix Keys(int layer, int head, int page) => new(Panels(layer, head, page), _size, Page);

    /// <summary>V of one head in one page [page x d].</summary>
    public unsafe PackedMatrix Values(int layer, int head, int page) => new(Panels(layer, head, page) + _keySize, Page, PackedMatrix.RoundUp(_size));

    /// <summary>
    /// Creates the cache of a sequence that begins with the first <paramref name="length"/> positions of this one: full pages are shared, and the
    /// last one, which will grow, is copied.
    /// </summary>
    public KeyValueCache Fork(int length)
    {
        var fork = new KeyValueCache(configuration, workspace);
        for (var layer = 0; layer < _pages.Length; layer++)
        {
            fork._lengths[layer] = length;
            for (var i = 0; i * Page < length; i++)
            {
                var page = _pages[layer][i];
                fork._pages[layer].Add((i + 1) * Page <= length ? page.Share() : NewPage(page));
            }
        }
        return fork;
    }

    public void Dispose()
    {
        foreach (var pages in _pages)
        {
            foreach (var page in pages)
            {
                if (page.Release()) workspace.Return(page.Panels);
            }
            pages.Clear();
        }
    }

    // A pointer is safe: rented arrays are pinned.
    private unsafe float* Panels(int layer, int head, int page) =>
        (float*)Unsafe.AsPointer(ref MemoryMarshal.GetReference(_pages[layer][page].Panels[head]));

    private CachePage NewPage(CachePage? copied = null)
    {
        var panels = workspace.Rent(_heads, _keySize + _valueSize);
        if (copied is null) panels.Clear(); // the scores of positions beyond the length are computed and ignored, but must be finite
        else copied.Panels.CopyTo(panels);
        return new CachePage(panels);
    }

    /// <summary>
    /// A page of one layer, panels[heads x (K^T, V)], and how many sequences use it. Sequences may end at the same time: a stream whose reader leaves
    /// ends on the reader's thread.
    /// </summary>
    private sealed class CachePage(Matrix panels)
    {
        private int _users = 1;

        public Matrix Panels => panels;

        public CachePage Share()
        {
            Interlocked.Increment(ref _users);
            return this;
        }

        /// <summary>Returns whether nobody uses the page any longer.</summary>
        public bool Release() => Interlocked.Decrement(ref _users) == 0;
    }
}
