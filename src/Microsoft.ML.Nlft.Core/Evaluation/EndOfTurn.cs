namespace Microsoft.ML.Nlft.Evaluation;

/// <summary>Cuts a response at the mark with which its model ends a turn: what follows is not part of the answer.</summary>
internal static class EndOfTurn
{
    private static readonly string[] s_marks =
    [
        "<|im_end|>", "<|im_start|>", "<|endoftext|>", "<|end_of_text|>", "<|eot_id|>", "<|eom_id|>", "<|end|>", "<|eos|>", "<|return|>", "<|user|>",
        "<|end_of_turn|>", "<|END_OF_TURN_TOKEN|>", "<|start_header_id|>", "<end_of_turn>", "<start_of_turn>", "<eos>", "<|eot|>", "</s>", "[EOS]",
        "[/INST]", "[INST]", "<｜end▁of▁sentence｜>", "<｜User｜>",
    ];

    /// <summary>Returns the text before the first mark that follows something, without the white space before the mark.</summary>
    public static string Cut(string text)
    {
        var begun = false;
        for (var at = 0; at < text.Length; at++)
        {
            if (text[at] is '<' or '[' && MarkAt(text, at) is { } mark)
            {
                if (begun) return text[..at].TrimEnd();
                at += mark.Length - 1;
            }
            else
            {
                begun |= !char.IsWhiteSpace(text[at]);
            }
        }
        return text;
    }

    private static string? MarkAt(string text, int at) => s_marks.FirstOrDefault(mark => text.AsSpan(at).StartsWith(mark, StringComparison.Ordinal));
}
