namespace Microsoft.ML.Nlft.Tokenization;

/// <summary>Joins tokens with spaces: the behaviour of a tokenizer without a decoder.</summary>
internal sealed class SpacedStage : WholeTokenStage
{
    private bool _isFirst = true;

    protected override void Process(string token)
    {
        Emit(_isFirst ? token : " " + token);
        _isFirst = false;
    }
}

/// <summary>Implements BPEDecoder: the suffix that ends a word becomes a space; in the last token it is removed.</summary>
internal sealed class WordSuffixStage(string suffix) : WholeTokenStage
{
    private string? _last;

    public override bool HoldsText => _last is not null || base.HoldsText;

    public override void Finish()
    {
        if (_last is not null) Emit(_last.Replace(suffix, "", StringComparison.Ordinal));

        _last = null;
        base.Finish();
    }

    protected override void Process(string token)
    {
        if (_last is not null) Emit(_last.Replace(suffix, " ", StringComparison.Ordinal));

        _last = token;
    }
}

/// <summary>Implements WordPiece: joins tokens that begin with the prefix to the one before, the others with spaces.</summary>
internal sealed class WordPieceStage(string prefix, bool cleansUp) : WholeTokenStage
{
    private bool _isFirst = true;

    protected override void Process(string token)
    {
        var text = _isFirst ? token : token.StartsWith(prefix, StringComparison.Ordinal) ? token[prefix.Length..] : " " + token;
        _isFirst = false;
        Emit(cleansUp ? CleanUp(text) : text);
    }

    private static string CleanUp(string token) =>
        CleanUpStage.Apply(token.Replace(" do not", " don't", StringComparison.Ordinal));
}
