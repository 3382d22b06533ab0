using Microsoft.ML.Nlft.Engines.Managed.Kernels;
using Microsoft.ML.Nlft.Models;

namespace Microsoft.ML.Nlft.Engines.Managed.Layers;

/// <summary>
/// The keys (after RoPE) and values of one sequence in every layer, in pages of <see cref="Page"/> positions that are taken as the sequence grows.
/// In a page, head by head, keys lie transposed, [d x page], and values upright, [page x d], so that a new query meets both in whole vectors.
/// </summary>
internal sealed class KeyValueCache(ModelConfiguration configuration, Workspace workspace) : IDisposable
{
    /// <summary>Positions of a page. Those beyond the length hold nothing of meaning.</summary>
    public const int Page = 64;

    private readonly int _heads = configuration.KeyValueHeadCount, _size = configuration.HeadSize;
    private readonly List<Matrix>[] _pages = [.. Enumerable.Range(0, configuration.LayerCount).Select(_ => new List<Matrix>())]; // [2 x heads d page]: keys, values
    private readonly int[] _lengths = new int[configuration.LayerCount];

    /// <summary>Number of positions that one layer holds.</summary>
    public int Length(int layer) => _lengths[layer];

    /// <summary>Adds rows [n x heads d] to one layer.</summary>
    public void Append(int layer, Matrix keys, Matrix values)
    {
        var pages = _pages[layer];
        for (var row = 0; row < keys.Rows; row++)
        {
            var (page, at) = Math.DivRem(_lengths[layer]++, Page);
            if (page == pages.Count) pages.Add(NewPage());
            Span<float> pageKeys = pages[page][0], pageValues = pages[page][1], key = keys[row], value = values[row];
            for (var i = 0; i < key.Length; i++) pageKeys[i * Page + at] = key[i];
            for (var head = 0; head < _heads; head++) value.Slice(head * _size, _size).CopyTo(pageValues[((head * Page + at) * _size)..]);
        }
    }

    /// <summary>The keys of one head in one page, [d x page].</summary>
    public ReadOnlySpan<float> Keys(int layer, int head, int page) => _pages[layer][page][0].Slice(head * _size * Page, _size * Page);

    /// <summary>The values of one head in one page, [page x d].</summary>
    public ReadOnlySpan<float> Values(int layer, int head, int page) => _pages[layer][page][1].Slice(head * _size * Page, _size * Page);

    public void Dispose()
    {
        foreach (var pages in _pages)
        {
            pages.ForEach(workspace.Return);
            pages.Clear();
        }
    }

    private Matrix NewPage()
    {
        var page = workspace.Rent(2, _heads * _size * Page);
        page.Clear(); // scores of the positions beyond the length are computed with the others and passed over: they must be numbers
        return page;
    }
}
