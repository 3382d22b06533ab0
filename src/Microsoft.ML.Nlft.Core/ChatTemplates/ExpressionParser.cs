namespace Microsoft.ML.Nlft.ChatTemplates;

/// <summary>
/// Parses expressions, from lowest to highest precedence: <c>if else</c>, <c>or</c>, <c>and</c>, <c>not</c>, comparisons, <c>+ -</c>, <c>~</c>,
/// <c>* / // %</c>, <c>**</c>, signs, then attributes, calls, filters and tests.
/// </summary>
internal sealed class ExpressionParser(TokenCursor cursor)
{
    private const string AnExpression = "an expression";

    public Expression Parse(bool withConditional = true) => cursor.Nested(() => withConditional ? ParseConditional() : ParseOr());

    /// <summary>Parses an expression, or several separated by commas as a tuple.</summary>
    public Expression ParseTuple(bool withConditional = true, bool allowEmpty = false)
    {
        var start = cursor.Current.Position;
        var items = new List<Expression>();
        var isTuple = false;
        while (true)
        {
            if (items.Count > 0) cursor.ExpectOperator(",");
            if (cursor.At(TokenKind.StatementEnd) || cursor.At(TokenKind.OutputEnd) || cursor.AtOperator(")")) break;
            items.Add(Parse(withConditional));
            if (!cursor.AtOperator(",")) break;
            isTuple = true;
        }

        if (isTuple || (items.Count == 0 && allowEmpty)) return new TupleLiteral(items, start);
        return items.Count == 1 ? items[0] : throw cursor.Unexpected(AnExpression);
    }

    private Expression ParseConditional()
    {
        var result = ParseOr();
        while (cursor.AtName("if"))
        {
            var start = cursor.Take().Position;
            var condition = ParseOr();
            var otherwise = cursor.TakeName("else") ? cursor.Nested(ParseConditional) : null;
            result = new Conditional(condition, result, otherwise, start);
        }

        return result;
    }

    private Expression ParseOr() => ParseLogic("or", () => ParseLogic("and", ParseNot));

    private Expression ParseLogic(string sign, Func<Expression> parse)
    {
        var left = parse();
        while (cursor.AtName(sign))
        {
            var start = cursor.Take().Position;
            left = new Binary(sign, left, parse(), start);
        }

        return left;
    }

    private Expression ParseNot()
    {
        if (!cursor.AtName("not")) return ParseComparison();
        var start = cursor.Take().Position;
        return new Unary("not", cursor.Nested(ParseNot), start);
    }

    private Expression ParseComparison()
    {
        var first = ParseSum();
        var rest = new List<(string, Expression)>();
        var start = cursor.Current.Position;
        while (true)
        {
            if (cursor.Current is { Kind: TokenKind.Operator, Text: "==" or "!=" or "<" or "<=" or ">" or ">=" })
            {
                rest.Add((cursor.Take().Text, ParseSum()));
            }
            else if (cursor.TakeName("in"))
            {
                rest.Add(("in", ParseSum()));
            }
            else if (cursor.AtName("not") && cursor.Following is { Kind: TokenKind.Name, Text: "in" })
            {
                cursor.Take();
                cursor.Take();
                rest.Add(("not in", ParseSum()));
            }
            else
            {
                return rest.Count == 0 ? first : new Comparison(first, rest, start);
            }
        }
    }

    private Expression ParseSum() => ParseArithmetic(["+", "-"], ParseConcatenation);

    private Expression ParseConcatenation()
    {
        var first = ParseProduct();
        if (!cursor.AtOperator("~")) return first;
        var start = cursor.Current.Position;
        var parts = new List<Expression> { first };
        while (cursor.TakeOperator("~")) parts.Add(ParseProduct());
        return new Concatenation(parts, start);
    }

    private Expression ParseProduct() => ParseArithmetic(["*", "/", "//", "%"], () => ParseArithmetic(["**"], () => ParseUnary(withFilters: true)));

    private Expression ParseArithmetic(string[] signs, Func<Expression> parse)
    {
        var left = parse();
        while (cursor.At(TokenKind.Operator) && signs.Contains(cursor.Current.Text))
        {
            var sign = cursor.Take();
            left = new Binary(sign.Text, left, parse(), sign.Position);
        }

        return left;
    }

    private Expression ParseUnary(bool withFilters)
    {
        var token = cursor.Current;
        Expression result;
        if (cursor.AtOperator("-") || cursor.AtOperator("+"))
        {
            cursor.Take();
            result = new Unary(token.Text, cursor.Nested(() => ParseUnary(withFilters: false)), token.Position);
        }
        else
        {
            result = ParsePrimary();
        }

        result = ParsePostfix(result);
        return withFilters ? ParseFilters(result) : result;
    }

    private Expression ParsePrimary()
    {
        var token = cursor.Current;
        switch (token.Kind)
        {
            case TokenKind.Name:
                cursor.Take();
                return token.Text switch
                {
                    "true" or "True" => new Literal(true, token.Position),
                    "false" or "False" => new Literal(false, token.Position),
                    "none" or "None" => new Literal(null, token.Position),
                    _ => new NameReference(token.Text, token.Position),
                };
            case TokenKind.String:
                var parts = new List<string>();
                while (cursor.At(TokenKind.String)) parts.Add(cursor.Take().Text);
                return new Literal(string.Concat(parts), token.Position);
            case TokenKind.Number:
                return new Literal(cursor.Take().Value, token.Position);
            case TokenKind.Operator when cursor.TakeOperator("("):
                var tuple = ParseTuple(allowEmpty: true);
                cursor.ExpectOperator(")");
                return tuple;
            case TokenKind.Operator when cursor.TakeOperator("["):
                return new ListLiteral(ParseItems("]", () => Parse()), token.Position);
            case TokenKind.Operator when cursor.TakeOperator("{"):
                return new MapLiteral(ParseItems("}", ParsePair), token.Position);
            default:
                throw cursor.Unexpected(AnExpression);
        }
    }

    private (Expression, Expression) ParsePair()
    {
        var key = Parse();
        cursor.ExpectOperator(":");
        return (key, Parse());
    }

    private List<T> ParseItems<T>(string close, Func<T> parse)
    {
        var items = new List<T>();
        while (!cursor.TakeOperator(close))
        {
            if (items.Count > 0)
            {
                cursor.ExpectOperator(",");
                if (cursor.TakeOperator(close)) break;
            }

            items.Add(parse());
        }

        return items;
    }

    private Expression ParsePostfix(Expression target)
    {
        while (true)
        {
            var start = cursor.Current.Position;
            if (cursor.TakeOperator("."))
            {
                target = cursor.Current switch
                {
                    { Kind: TokenKind.Name } => new AttributeAccess(target, cursor.Take().Text, start),
                    { Kind: TokenKind.Number, Value: long } => new ItemAccess(target, new Literal(cursor.Take().Value, start), start),
                    _ => throw cursor.Unexpected("a name or a number after '.'"),
                };
            }
            else if (cursor.TakeOperator("["))
            {
                target = ParseSubscript(target, start);
                cursor.ExpectOperator("]");
            }
            else if (cursor.AtOperator("("))
            {
                target = new Call(target, ParseArguments(), start);
            }
            else
            {
                return target;
            }
        }
    }

    private Expression ParseSubscript(Expression target, int start)
    {
        var first = cursor.AtOperator(":") ? null : Parse();
        if (cursor.AtOperator(",")) throw cursor.Unexpected("']' (one index)");
        if (!cursor.TakeOperator(":")) return new ItemAccess(target, first!, start);
        var stop = cursor.AtOperator(":") || cursor.AtOperator("]") ? null : Parse();
        var step = cursor.TakeOperator(":") && !cursor.AtOperator("]") ? Parse() : null;
        return new SliceAccess(target, first, stop, step, start);
    }

    private Expression ParseFilters(Expression target)
    {
        while (true)
        {
            if (cursor.AtOperator("|")) target = ParseFilter(target);
            else if (cursor.AtName("is")) target = ParseTest(target);
            else if (cursor.AtOperator("(")) target = new Call(target, ParseArguments(), cursor.Current.Position);
            else return target;
        }
    }

    /// <summary>Parses <c>| name(arguments)</c>.</summary>
    public FilterCall ParseFilter(Expression? target)
    {
        cursor.ExpectOperator("|");
        var name = cursor.Expect(TokenKind.Name, "the name of a filter");
        return new FilterCall(target, name.Text, cursor.AtOperator("(") ? ParseArguments() : ArgumentList.Empty, name.Position);
    }

    private Expression ParseTest(Expression target)
    {
        var start = cursor.Take().Position;
        var negated = cursor.TakeName("not");
        var name = cursor.Expect(TokenKind.Name, "the name of a test");
        var arguments = ArgumentList.Empty;
        if (cursor.AtOperator("("))
        {
            arguments = ParseArguments();
        }
        else if (StartsArgument())
        {
            if (cursor.AtName("is")) throw cursor.Unexpected("'and' or 'or' between two tests");
            arguments = new ArgumentList([ParsePostfix(ParsePrimary())], []);
        }

        Expression test = new TestCall(target, name.Text, arguments, name.Position);
        return negated ? new Unary("not", test, start) : test;
    }

    private bool StartsArgument() => cursor.Current switch
    {
        { Kind: TokenKind.Name, Text: "else" or "or" or "and" } => false,
        { Kind: TokenKind.Name or TokenKind.String or TokenKind.Number } => true,
        { Kind: TokenKind.Operator, Text: "[" or "{" } => true,
        _ => false,
    };

    private ArgumentList ParseArguments()
    {
        cursor.ExpectOperator("(");
        var positional = new List<Expression>();
        var named = new List<(string, Expression)>();
        var names = new HashSet<string>(StringComparer.Ordinal);
        ParseItems(")", () =>
        {
            if (cursor.AtOperator("*") || cursor.AtOperator("**")) throw cursor.Unexpected("an argument by position or by name");
            if (cursor.At(TokenKind.Name) && cursor.Following is { Kind: TokenKind.Operator, Text: "=" })
            {
                var name = cursor.Take();
                cursor.Take();
                if (!names.Add(name.Text)) throw new TemplateError($"the argument {name.Text} twice", "it once", name.Position);
                named.Add((name.Text, Parse()));
            }
            else if (named.Count > 0)
            {
                throw cursor.Unexpected("an argument by name, as the one before");
            }
            else
            {
                positional.Add(Parse());
            }
            return 0;
        });
        return new ArgumentList(positional, named);
    }
}
