namespace Microsoft.ML.Nlft.ChatTemplates;

/// <summary>Parses the statements of a template.</summary>
internal sealed class StatementParser
{
    private const string Known = "if, for, set, macro, generation, break, continue, raw or a comment";

    private readonly TokenCursor _cursor;
    private readonly ExpressionParser _expressions;
    private int _loops;
    private bool _marksGeneration;

    private StatementParser(TokenCursor cursor) => (_cursor, _expressions) = (cursor, new ExpressionParser(cursor));

    /// <summary>Parses a template.</summary>
    /// <param name="source">The template, with <c>\n</c> as newline.</param>
    /// <param name="maximumDepth">Maximum nesting depth.</param>
    /// <param name="marksGeneration">Whether it has a generation block.</param>
    public static IReadOnlyList<Statement> Parse(string source, int maximumDepth, out bool marksGeneration)
    {
        var parser = new StatementParser(new TokenCursor(TemplateLexer.Tokenize(source), maximumDepth));
        var (body, end) = parser.ParseUntil();
        marksGeneration = parser._marksGeneration;
        return end.Kind == TokenKind.End ? body : throw new TemplateError(end.ToString(), "a statement that it ends", end.Position);
    }

    /// <summary>
    /// Parses statements up to the first tag whose name is one of <paramref name="ends"/>. Consumes that name but not the rest of the tag.
    /// </summary>
    private (List<Statement> Body, TemplateToken End) ParseUntil(params string[] ends) => _cursor.Nested(() =>
    {
        var body = new List<Statement>();
        while (true)
        {
            var token = _cursor.Take();
            switch (token.Kind)
            {
                case TokenKind.Text:
                    body.Add(new TextOutput(token.Text, token.Position));
                    break;
                case TokenKind.OutputBegin:
                    body.Add(new ExpressionOutput(_expressions.ParseTuple(), token.Position));
                    _cursor.Expect(TokenKind.OutputEnd, "'}}'");
                    break;
                case TokenKind.StatementBegin:
                    var name = _cursor.Expect(TokenKind.Name, $"a statement ({Known})");
                    if (ends.Contains(name.Text)) return (body, name);
                    body.Add(ParseStatement(name, ends));
                    break;
                default:
                    if (ends.Length > 0) throw new TemplateError("the end of the template", ends.Last(), token.Position);
                    return (body, token);
            }
        }
    });

    private Statement ParseStatement(TemplateToken name, string[] ends)
    {
        switch (name.Text)
        {
            case "if": return ParseIf(name.Position);
            case "for": return ParseFor(name.Position);
            case "set": return ParseSet(name.Position);
            case "macro": return ParseMacro(name.Position);
            case "generation":
                _marksGeneration = true;
                EndTag();
                return new Generation(ParseSeparateBody("endgeneration"), name.Position);
            case "break" or "continue":
                if (_loops == 0) throw new TemplateError($"'{name.Text}' outside of a loop", "it inside a for block", name.Position);
                EndTag();
                return new LoopControl(name.Text == "break" ? Completion.Break : Completion.Continue, name.Position);
            case "elif" or "else" or "endif" or "endfor" or "endset" or "endmacro" or "endgeneration" or "endraw":
                throw new TemplateError($"'{name.Text}'", ends.Length == 0 ? "a statement that it ends" : $"'{ends.Last()}'", name.Position);
            default:
                throw new TemplateError($"the statement '{name.Text}'", Known, name.Position);
        }
    }

    private void EndTag() => _cursor.Expect(TokenKind.StatementEnd, "'%}'");

    private List<Statement> ParseBody(string end)
    {
        var (body, _) = ParseUntil(end);
        EndTag();
        return body;
    }

    /// <summary>Parses a body from which break and continue cannot reach the surrounding loops.</summary>
    private List<Statement> ParseSeparateBody(string end)
    {
        var loops = _loops;
        _loops = 0;
        var body = ParseBody(end);
        _loops = loops;
        return body;
    }

    private If ParseIf(int position)
    {
        var branches = new List<(Expression, IReadOnlyList<Statement>)>();
        while (true)
        {
            var condition = _expressions.ParseTuple(withConditional: false);
            EndTag();
            var (body, end) = ParseUntil("elif", "else", "endif");
            branches.Add((condition, body));
            if (end.Text == "elif") continue;
            EndTag();
            return new If(branches, end.Text == "else" ? ParseBody("endif") : [], position);
        }
    }

    private For ParseFor(int position)
    {
        var target = ParseTarget("in");
        if (!_cursor.TakeName("in")) throw _cursor.Unexpected("'in'");
        var items = _expressions.ParseTuple(withConditional: false);
        var filter = _cursor.TakeName("if") ? _expressions.Parse() : null;
        if (_cursor.AtName("recursive")) throw new TemplateError("a recursive for", "a for that is not recursive", _cursor.Current.Position);
        EndTag();
        _loops++;
        var (body, end) = ParseUntil("else", "endfor");
        _loops--;
        EndTag();
        return new For(target, items, filter, body, end.Text == "else" ? ParseBody("endfor") : [], position);
    }

    private Statement ParseSet(int position)
    {
        var target = ParseTarget("=");
        if (_cursor.TakeOperator("="))
        {
            var value = _expressions.ParseTuple();
            EndTag();
            return new Set(target, value, position);
        }

        FilterCall? filters = null;
        while (_cursor.AtOperator("|")) filters = _expressions.ParseFilter(filters);
        EndTag();
        return new SetBlock(target, filters, ParseBody("endset"), position);
    }

    private MacroDefinition ParseMacro(int position)
    {
        var name = _cursor.Expect(TokenKind.Name, "the name of the macro").Text;
        var parameters = new List<(string, Expression?)>();
        _cursor.ExpectOperator("(");
        while (!_cursor.TakeOperator(")"))
        {
            if (parameters.Count > 0) _cursor.ExpectOperator(",");
            var parameter = _cursor.Expect(TokenKind.Name, "the name of a parameter");
            var fallback = _cursor.TakeOperator("=") ? _expressions.Parse() : null;
            if (fallback is null && parameters.Count > 0 && parameters[^1].Item2 is not null)
            {
                throw new TemplateError($"the parameter {parameter.Text} without default after one with", "a default", parameter.Position);
            }

            parameters.Add((parameter.Text, fallback));
        }

        EndTag();
        return new MacroDefinition(name, parameters, ParseSeparateBody("endmacro"), position);
    }

    /// <summary>Parses a name, an attribute of a namespace, or several of them separated by commas.</summary>
    private AssignmentTarget ParseTarget(string end)
    {
        var start = _cursor.Current.Position;
        var first = ParseSingleTarget(end);
        if (!_cursor.AtOperator(",")) return first;
        var items = new List<AssignmentTarget> { first };
        while (_cursor.TakeOperator(",") && !_cursor.AtName(end) && !_cursor.AtOperator(end)) items.Add(ParseSingleTarget(end));
        return new TupleTarget(items, start);
    }

    private AssignmentTarget ParseSingleTarget(string end)
    {
        if (_cursor.TakeOperator("("))
        {
            var nested = _cursor.Nested(() => ParseTarget(")"));
            _cursor.ExpectOperator(")");
            return nested;
        }

        var name = _cursor.Expect(TokenKind.Name, "a name to assign to");
        if (name.Text is "true" or "false" or "none" or "True" or "False" or "None")
        {
            throw new TemplateError($"'{name.Text}' assigned to", "a name", name.Position);
        }
        if (end == "in" || !_cursor.TakeOperator(".")) return new NameTarget(name.Text, name.Position);
        return new NamespaceTarget(name.Text, _cursor.Expect(TokenKind.Name, "an attribute").Text, name.Position);
    }
}
