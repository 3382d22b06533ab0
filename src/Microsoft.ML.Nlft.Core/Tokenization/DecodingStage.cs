using System.Globalization;
using System.Text;

namespace Microsoft.ML.Nlft.Tokenization;

/// <summary>
/// One step from tokens to text, fed token by token so that whole texts and streams are decoded by the same code. A token arrives as one
/// or more parts and an end; each stage hands on what can no longer change.
/// </summary>
internal abstract class DecodingStage
{
    /// <summary>The stage that receives this one's output; set once, when the chain is put together.</summary>
    public DecodingStage Next { get; set; } = null!;

    /// <summary>Whether text has come in that has not been handed on.</summary>
    public virtual bool HoldsText => false;

    public abstract void Part(string text);

    /// <summary>The current token is complete.</summary>
    public abstract void EndToken();

    /// <summary>No token follows.</summary>
    public virtual void Finish() => Next.Finish();
}

/// <summary>A stage that needs a token's whole text.</summary>
internal abstract class WholeTokenStage : DecodingStage
{
    private readonly StringBuilder _token = new();

    public override bool HoldsText => _token.Length > 0;

    public sealed override void Part(string text) => _token.Append(text);

    public sealed override void EndToken()
    {
        var token = _token.ToString();
        _token.Clear();
        Token(token);
    }

    protected abstract void Token(string token);

    protected void Emit(string token)
    {
        Next.Part(token);
        Next.EndToken();
    }
}

/// <summary>Replace: every match of a pattern in a token.</summary>
internal sealed class ReplaceStage(IMatcher matcher, string content) : WholeTokenStage
{
    protected override void Token(string token) => Emit(token.Length == 0 ? token : new Fragment(token, 0).Replace(matcher, content).Text);
}

/// <summary>Metaspace: the mark becomes a space, in the first token nothing (unless none was ever prepended).</summary>
internal sealed class MetaspaceStage(char replacement, PrependScheme scheme) : WholeTokenStage
{
    private bool _isFirst = true;

    protected override void Token(string token)
    {
        var space = _isFirst && scheme != PrependScheme.Never ? string.Empty : " ";
        _isFirst = false;
        Emit(token.Replace(replacement.ToString(), space, StringComparison.Ordinal));
    }
}

/// <summary>ByteFallback: a run of tokens <c>&lt;0xNN&gt;</c> is UTF-8, or, if it is not, one U+FFFD for each of them.</summary>
internal sealed class ByteFallbackStage : WholeTokenStage
{
    private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private readonly List<byte> _bytes = [];

    public override bool HoldsText => _bytes.Count > 0 || base.HoldsText;

    public override void Finish()
    {
        EmitBytes();
        base.Finish();
    }

    protected override void Token(string token)
    {
        if (token.Length == 6 && token.StartsWith("<0x", StringComparison.Ordinal) && token[5] == '>'
            && byte.TryParse(token.AsSpan(3, 2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var value))
        {
            _bytes.Add(value);
            return;
        }

        EmitBytes();
        Emit(token);
    }

    private void EmitBytes()
    {
        if (_bytes.Count == 0) return;

        try
        {
            Emit(Strict.GetString([.. _bytes]));
        }
        catch (DecoderFallbackException)
        {
            _bytes.ForEach(_ => Emit("\uFFFD"));
        }

        _bytes.Clear();
    }
}

/// <summary>ByteLevel: from the byte alphabet to UTF-8 to text, over all tokens together; a token of other characters is its own text.</summary>
internal sealed class ByteLevelStage : WholeTokenStage
{
    private readonly Decoder _utf8 = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false).GetDecoder();
    private int _missingBytes;

    public override bool HoldsText => _missingBytes > 0 || base.HoldsText;

    public override void Finish()
    {
        Next.Part(Decode([], flush: true));
        Next.EndToken();
        base.Finish();
    }

    protected override void Token(string token)
    {
        var isBytes = token.All(c => ByteAlphabet.ToByte(c) >= 0);
        var bytes = isBytes ? [.. token.Select(c => (byte)ByteAlphabet.ToByte(c))] : Encoding.UTF8.GetBytes(token);
        foreach (var value in bytes)
        {
            _missingBytes = value switch
            {
                < 0x80 or >= 0xF8 => 0,
                < 0xC0 => Math.Max(0, _missingBytes - 1),
                < 0xE0 => 1,
                < 0xF0 => 2,
                _ => 3,
            };
        }

        Next.Part(Decode(bytes, flush: false));
    }

    private string Decode(byte[] bytes, bool flush)
    {
        // Up to three bytes of an unfinished character may come out as well.
        var characters = new char[Encoding.UTF8.GetMaxCharCount(bytes.Length + 3)];
        _utf8.Convert(bytes, characters, flush, out _, out var count, out _);
        return new string(characters, 0, count);
    }
}

/// <summary>Fuse: all tokens become one.</summary>
internal sealed class FuseStage : DecodingStage
{
    public override void Part(string text) => Next.Part(text);

    public override void EndToken()
    {
    }

    public override void Finish()
    {
        Next.EndToken();
        base.Finish();
    }
}

/// <summary>Strip: up to so many of a character from both ends of a token.</summary>
internal sealed class StripStage(char content, int start, int stop) : DecodingStage
{
    private readonly StringBuilder _end = new();
    private int _seen;

    public override bool HoldsText => _end.Length > 0;

    public override void Part(string text)
    {
        var first = 0;
        for (; _seen < start && first < text.Length; first++, _seen++)
        {
            if (text[first] != content)
            {
                _seen = start;
                break;
            }
        }

        // What may yet turn out to be the end: up to "stop" characters that would be cut.
        _end.Append(text, first, text.Length - first);
        var kept = _end.Length;
        while (kept > 0 && _end.Length - kept < stop && _end[kept - 1] == content) kept--;

        Next.Part(_end.ToString(0, kept));
        _end.Remove(0, kept);
    }

    public override void EndToken()
    {
        (_seen, _) = (0, _end.Clear());
        Next.EndToken();
    }
}

/// <summary>The default without a decoder: tokens with a space between them.</summary>
internal sealed class SpacedStage : WholeTokenStage
{
    private bool _isFirst = true;

    protected override void Token(string token)
    {
        Emit(_isFirst ? token : " " + token);
        _isFirst = false;
    }
}
