using System.Text;

namespace Microsoft.ML.Nlft.Tokenization;

/// <summary>A step that rewrites text before pre-tokenization.</summary>
internal interface INormalizer
{
    /// <summary>Rewrites a fragment.</summary>
    /// <param name="fragment">The fragment; may be empty.</param>
    Fragment Normalize(Fragment fragment);
}

/// <summary>Prepends a prefix to every non-empty text.</summary>
internal sealed class PrependNormalizer(string prefix) : INormalizer
{
    public Fragment Normalize(Fragment fragment) => fragment.Text.Length == 0 ? fragment : fragment.Prepend(prefix);
}

/// <summary>Replaces every match of a pattern.</summary>
internal sealed class ReplaceNormalizer(IMatcher matcher, string content) : INormalizer
{
    public Fragment Normalize(Fragment fragment) => fragment.Text.Length == 0 ? fragment : fragment.Replace(matcher, content);
}

/// <summary>Rewrites character by character.</summary>
/// <param name="rewrite">Returns the text of a character: "" removes it, null keeps it.</param>
internal sealed class RuneNormalizer(Func<Rune, string?> rewrite) : INormalizer
{
    public Fragment Normalize(Fragment fragment)
    {
        var text = new Fragment.Builder(fragment);
        for (var i = 0; i < fragment.Text.Length;)
        {
            var rune = fragment.RuneAt(i);
            var next = i + rune.Utf16SequenceLength;
            if (rewrite(rune) is { } written) text.Append(written, fragment.StartOf(i), fragment.EndOf(next - 1));
            else text.Copy(fragment, i, next);

            i = next;
        }

        return text.Build();
    }
}

/// <summary>Removes white space from the ends.</summary>
internal sealed class StripNormalizer(bool left, bool right) : INormalizer
{
    public Fragment Normalize(Fragment fragment)
    {
        // White space is never a surrogate pair, and char.IsWhiteSpace is the White_Space property.
        var (start, end) = (0, fragment.Text.Length);
        while (left && start < end && char.IsWhiteSpace(fragment.Text[start])) start++;

        while (right && start < end && char.IsWhiteSpace(fragment.Text[end - 1])) end--;

        return fragment.Slice(start, end);
    }
}

/// <summary>Applies normalizers in sequence.</summary>
internal sealed class SequenceNormalizer(IReadOnlyList<INormalizer> steps) : INormalizer
{
    public Fragment Normalize(Fragment fragment) => steps.Aggregate(fragment, (text, step) => step.Normalize(text));
}
