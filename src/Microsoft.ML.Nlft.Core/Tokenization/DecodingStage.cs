using System.Globalization;
using System.Text;

namespace Microsoft.ML.Nlft.Tokenization;

/// <summary>
/// One step from tokens to text. Stages are fed token by token, so that the same code decodes whole texts and streams. A token arrives as one
/// or more parts and an end; each stage passes on what can no longer change.
/// </summary>
internal abstract class DecodingStage
{
    /// <summary>Gets or sets the stage that receives this one's output; set once, when the chain is built.</summary>
    public DecodingStage Next { get; set; } = null!;

    /// <summary>Gets or sets what the stream may do; set once, when the chain is built.</summary>
    public TextBudget Budget { get; set; } = new();

    /// <summary>Gets whether the stage holds text that it has not passed on.</summary>
    public virtual bool HoldsText => false;

    /// <summary>Receives a part of the current token.</summary>
    public abstract void Append(string text);

    /// <summary>Ends the current token.</summary>
    public abstract void EndToken();

    /// <summary>Ends the text: no token follows.</summary>
    public virtual void Finish() => Next.Finish();
}

/// <summary>A stage that processes whole tokens.</summary>
internal abstract class WholeTokenStage : DecodingStage
{
    private readonly StringBuilder _token = new();

    public override bool HoldsText => _token.Length > 0;

    public sealed override void Append(string text) => _token.Append(text);

    public sealed override void EndToken()
    {
        var token = _token.ToString();
        _token.Clear();
        Process(token);
    }

    protected abstract void Process(string token);

    protected void Emit(string token)
    {
        Next.Append(token);
        Next.EndToken();
    }
}

/// <summary>Implements Replace: replaces every match of a pattern in a token.</summary>
internal sealed class ReplaceStage(IMatcher matcher, string content) : WholeTokenStage
{
    protected override void Process(string token) => Emit(token.Length == 0 ? token : new Fragment(token, 0, Budget).Replace(matcher, content).Text);
}

/// <summary>Implements Metaspace: the mark becomes a space; in the first token it is removed, unless the scheme never prepends one.</summary>
internal sealed class MetaspaceStage(char replacement, PrependScheme scheme) : WholeTokenStage
{
    private bool _isFirst = true;

    protected override void Process(string token)
    {
        var space = _isFirst && scheme != PrependScheme.Never ? string.Empty : " ";
        _isFirst = false;
        Emit(token.Replace(replacement.ToString(), space, StringComparison.Ordinal));
    }
}

/// <summary>Implements ByteFallback: decodes a run of tokens <c>&lt;0xNN&gt;</c> as UTF-8; if it is invalid, each becomes U+FFFD.</summary>
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

    protected override void Process(string token)
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

/// <summary>
/// Implements ByteLevel: maps the byte alphabet to bytes and decodes those of all tokens as UTF-8. A token with a character outside the
/// alphabet stands for itself.
/// </summary>
internal sealed class ByteLevelStage : WholeTokenStage
{
    private readonly Decoder _utf8 = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false).GetDecoder();
    private int _missingBytes;

    public override bool HoldsText => _missingBytes > 0 || base.HoldsText;

    public override void Finish()
    {
        Next.Append(Decode([], flush: true));
        Next.EndToken();
        base.Finish();
    }

    protected override void Process(string token)
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

        Next.Append(Decode(bytes, flush: false));
    }

    private string Decode(byte[] bytes, bool flush)
    {
        // The decoder may also emit up to three pending bytes of an unfinished character.
        var characters = new char[Encoding.UTF8.GetMaxCharCount(bytes.Length + 3)];
        _utf8.Convert(bytes, characters, flush, out _, out var count, out _);
        return new string(characters, 0, count);
    }
}

/// <summary>Implements Fuse: joins all tokens into one.</summary>
internal sealed class FuseStage : DecodingStage
{
    public override void Append(string text) => Next.Append(text);

    public override void EndToken()
    {
    }

    public override void Finish()
    {
        Next.EndToken();
        base.Finish();
    }
}

/// <summary>Implements Strip: removes up to <c>start</c> and <c>stop</c> occurrences of a character from the ends of a token.</summary>
internal sealed class StripStage(char content, int start, int stop) : DecodingStage
{
    private int _seen;
    private int _held; // occurrences at the end that are held back

    public override bool HoldsText => _held > 0;

    public override void Append(string text)
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

        // Hold back what may be the end of the token: up to "stop" characters that would be removed.
        var end = text.AsSpan(first).LastIndexOfAnyExcept(content) + 1 + first;
        if (end > first)
        {
            Next.Append(new string(content, _held) + text[first..end]);
            _held = 0;
        }

        var released = Math.Max(_held + text.Length - end - stop, 0);
        if (released > 0) Next.Append(new string(content, released));
        _held += text.Length - end - released;
    }

    public override void EndToken()
    {
        (_seen, _held) = (0, 0);
        Next.EndToken();
    }
}
