using Microsoft.ML.Nlft.Engines.Managed.Kernels;
using Microsoft.ML.Nlft.Engines.Managed.Layers;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.Engines.Managed;

/// <summary>
/// Keys and values of prompts that a model has read: a prompt that begins like one of them, such as the next turn of a conversation, computes only
/// its rest. Only positions that were computed as part of a prompt are kept, not those of answers, which decoding computes by other kernels: so the
/// results are those of a whole prompt, to the bit. Those used longest ago go first.
/// </summary>
/// <param name="configuration">The model.</param>
/// <param name="workspace">Holds the pages.</param>
/// <param name="memory">The most bytes to keep; pages that prompts share count for each.</param>
internal sealed class PromptCache(ModelConfiguration configuration, Workspace workspace, long memory)
{
    /// <summary>The most prompts: each new one is compared with all.</summary>
    private const int MostPrompts = 64;

    private readonly List<(int[] Tokens, KeyValueCache Cache)> _kept = []; // the one used last is last

    /// <summary>Creates the cache of a prompt: with the longest beginning that is kept, of at most all tokens but the last, or empty.</summary>
    public KeyValueCache Begin(ReadOnlySpan<int> prompt)
    {
        var (longest, best, most) = (0, -1, Math.Max(0, prompt.Length - 1));
        for (var i = 0; i < _kept.Count; i++)
        {
            var common = _kept[i].Tokens.AsSpan().CommonPrefixLength(prompt[..most]);
            if (common > longest) (longest, best) = (common, i);
        }
        if (best < 0 || RopeFrequencies.DependOnLength(configuration, prompt.Length)) return new KeyValueCache(configuration, workspace);
        var entry = _kept[best];
        _kept.RemoveAt(best);
        _kept.Add(entry);
        return entry.Cache.Fork(longest);
    }

    /// <summary>Keeps what was computed for a prompt, in place of its beginnings.</summary>
    /// <param name="prompt">The prompt.</param>
    /// <param name="cache">Its cache, which holds the prompt alone.</param>
    public void Keep(ReadOnlySpan<int> prompt, KeyValueCache cache)
    {
        if (cache.Bytes > memory || RopeFrequencies.DependOnLength(configuration, prompt.Length)) return;
        for (var i = _kept.Count - 1; i >= 0; i--)
        {
            var common = _kept[i].Tokens.AsSpan().CommonPrefixLength(prompt);
            if (common == prompt.Length) return;
            if (common == _kept[i].Tokens.Length) RemoveAt(i);
        }
        _kept.Add((prompt.ToArray(), cache.Fork(prompt.Length)));
        while (_kept.Count > MostPrompts || _kept.Sum(entry => entry.Cache.Bytes) > memory) RemoveAt(0);
    }

    /// <summary>Forgets all prompts, as when a weight has changed.</summary>
    public void Clear()
    {
        while (_kept.Count > 0) RemoveAt(_kept.Count - 1);
    }

    private void RemoveAt(int index)
    {
        _kept[index].Cache.Dispose();
        _kept.RemoveAt(index);
    }
}
