namespace Microsoft.ML.Nlft.ChatTemplates;

/// <summary>Reads the tokens of a template in order and limits the nesting depth of the parser.</summary>
internal sealed class TokenCursor(IReadOnlyList<TemplateToken> tokens, int maximumDepth)
{
    private int _index, _depth;

    public TemplateToken Current => tokens[_index];

    public TemplateToken Following => tokens[Math.Min(_index + 1, tokens.Count - 1)];

    public TemplateToken Take() => tokens[_index < tokens.Count - 1 ? _index++ : _index];

    public bool At(TokenKind kind) => Current.Kind == kind;

    public bool AtOperator(string text) => Current.Kind == TokenKind.Operator && Current.Text == text;

    public bool AtName(string text) => Current.Kind == TokenKind.Name && Current.Text == text;

    public bool TakeOperator(string text)
    {
        if (!AtOperator(text)) return false;
        Take();
        return true;
    }

    public bool TakeName(string text)
    {
        if (!AtName(text)) return false;
        Take();
        return true;
    }

    public void ExpectOperator(string text)
    {
        if (!TakeOperator(text)) throw Unexpected($"'{text}'");
    }

    public TemplateToken Expect(TokenKind kind, string expected) => At(kind) ? Take() : throw Unexpected(expected);

    public TemplateError Unexpected(string expected) => new(Current.ToString(), expected, Current.Position);

    /// <summary>Runs a parser one level deeper.</summary>
    public T Nested<T>(Func<T> parse)
    {
        if (++_depth > maximumDepth)
        {
            throw new TemplateError($"more than {maximumDepth} levels of nesting", "a template that stays within MaximumDepth", Current.Position);
        }

        RenderBudget.GuardStack();
        var result = parse();
        _depth--;
        return result;
    }
}
