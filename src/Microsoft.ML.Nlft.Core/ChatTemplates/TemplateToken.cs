namespace Microsoft.ML.Nlft.ChatTemplates;

/// <summary>The kind of a token.</summary>
internal enum TokenKind
{
    /// <summary>Text outside of tags, with whitespace control applied.</summary>
    Text,

    /// <summary><c>{{</c></summary>
    OutputBegin,

    /// <summary><c>}}</c></summary>
    OutputEnd,

    /// <summary><c>{%</c></summary>
    StatementBegin,

    /// <summary><c>%}</c></summary>
    StatementEnd,

    /// <summary>A name or keyword.</summary>
    Name,

    /// <summary>A string literal; the value is unescaped.</summary>
    String,

    /// <summary>An integer or float literal; the value is a long or a double.</summary>
    Number,

    /// <summary>An operator or a bracket.</summary>
    Operator,

    /// <summary>The end of the template.</summary>
    End,
}

/// <summary>One token of a template.</summary>
/// <param name="Kind">The kind.</param>
/// <param name="Text">The source text; unescaped for string literals.</param>
/// <param name="Position">Offset in the source.</param>
/// <param name="Value">The value of a number.</param>
internal readonly record struct TemplateToken(TokenKind Kind, string Text, int Position, object? Value = null)
{
    /// <summary>Describes the token for messages.</summary>
    public override string ToString() => Kind switch
    {
        TokenKind.Text => "text",
        TokenKind.OutputBegin => "'{{'",
        TokenKind.OutputEnd => "'}}'",
        TokenKind.StatementBegin => "'{%'",
        TokenKind.StatementEnd => "'%}'",
        TokenKind.String => "a string",
        TokenKind.End => "the end of the template",
        _ => $"'{Text}'",
    };
}
