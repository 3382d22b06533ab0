using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Microsoft.ML.Nlft.Engines.Managed.Kernels;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.Engines.Managed.Layers;

/// <summary>
/// The keys (after RoPE) and values of one sequence in every layer, in pages of <see cref="Page"/> positions that are taken as the sequence grows.
/// A page holds, head by head, the panels of K^T [d x page] and of V [page x d], the right factors of the two products of a new query.
/// </summary>
internal sealed class KeyValueCache(ModelConfiguration configuration, Workspace workspace) : IDisposable
{
    /// <summary>Positions of a page. Those beyond the length hold nothing of meaning.</summary>
    public const int Page = 64;

    private readonly int _heads = configuration.KeyValueHeadCount, _size = configuration.HeadSize;
    private readonly int _keySize = PackedFactor.Size(configuration.HeadSize, Page), _valueSize = PackedFactor.Size(Page, configuration.HeadSize); // floats of one head
    private readonly List<Matrix>[] _pages = [.. Enumerable.Range(0, configuration.LayerCount).Select(_ => new List<Matrix>())]; // [heads x (keys, values)]
    private readonly int[] _lengths = new int[configuration.LayerCount];

    /// <summary>Number of positions that one layer holds.</summary>
    public int Length(int layer) => _lengths[layer];

    /// <summary>Makes room for further positions of one layer; what they hold is then stored head by head.</summary>
    public void Extend(int layer, int count)
    {
        _lengths[layer] += count;
        while (_pages[layer].Count * Page < _lengths[layer]) _pages[layer].Add(NewPage());
    }

    /// <summary>Stores what rows [heads d] of keys and values hold of one head at a position.</summary>
    public void Store(int layer, int head, int position, ReadOnlySpan<float> key, ReadOnlySpan<float> value)
    {
        var (page, at) = Math.DivRem(position, Page);
        var data = _pages[layer][page][head];
        PackedFactor.SetColumn(data[.._keySize], at, key.Slice(head * _size, _size));
        PackedFactor.SetRow(data[_keySize..], Page, at, value.Slice(head * _size, _size));
    }

    /// <summary>K^T of one head in one page [d x page].</summary>
    public unsafe PackedFactor Keys(int layer, int head, int page) => new(At(layer, head, page), _size, Page);

    /// <summary>V of one head in one page [page x d].</summary>
    public unsafe PackedFactor Values(int layer, int head, int page) => new(At(layer, head, page) + _keySize, Page, PackedFactor.RoundUp(_size));

    public void Dispose()
    {
        foreach (var pages in _pages)
        {
            pages.ForEach(workspace.Return);
            pages.Clear();
        }
    }

    private unsafe float* At(int layer, int head, int page) => (float*)Unsafe.AsPointer(ref MemoryMarshal.GetReference(_pages[layer][page][head])); // rented arrays do not move

    private Matrix NewPage()
    {
        var page = workspace.Rent(_heads, _keySize + _valueSize);
        page.Clear(); // scores of the positions beyond the length are computed with the others and passed over: they must be numbers
        return page;
    }
}
