namespace Microsoft.ML.Nlft.ChatTemplates;

/// <summary>An expression.</summary>
/// <param name="Position">Offset in the source.</param>
internal abstract record Expression(int Position);

internal sealed record Literal(object? Value, int Position) : Expression(Position);

internal sealed record NameReference(string Name, int Position) : Expression(Position);

internal sealed record ListLiteral(IReadOnlyList<Expression> Items, int Position) : Expression(Position);

internal sealed record TupleLiteral(IReadOnlyList<Expression> Items, int Position) : Expression(Position);

internal sealed record MapLiteral(IReadOnlyList<(Expression Key, Expression Value)> Items, int Position) : Expression(Position);

/// <summary><c>target.name</c></summary>
internal sealed record AttributeAccess(Expression Target, string Name, int Position) : Expression(Position);

/// <summary><c>target[index]</c></summary>
internal sealed record ItemAccess(Expression Target, Expression Index, int Position) : Expression(Position);

/// <summary><c>target[start:stop:step]</c></summary>
internal sealed record SliceAccess(Expression Target, Expression? Start, Expression? Stop, Expression? Step, int Position) : Expression(Position);

internal sealed record Call(Expression Target, ArgumentList Arguments, int Position) : Expression(Position);

/// <summary><c>target|name(arguments)</c>; the target is null for the first filter of a set block.</summary>
internal sealed record FilterCall(Expression? Target, string Name, ArgumentList Arguments, int Position) : Expression(Position);

/// <summary><c>target is name(arguments)</c></summary>
internal sealed record TestCall(Expression Target, string Name, ArgumentList Arguments, int Position) : Expression(Position);

/// <summary><c>not</c>, <c>-</c> or <c>+</c>.</summary>
internal sealed record Unary(string Sign, Expression Operand, int Position) : Expression(Position);

/// <summary>Arithmetic, <c>and</c>, <c>or</c>.</summary>
internal sealed record Binary(string Sign, Expression Left, Expression Right, int Position) : Expression(Position);

/// <summary><c>a ~ b ~ c</c></summary>
internal sealed record Concatenation(IReadOnlyList<Expression> Parts, int Position) : Expression(Position);

/// <summary><c>a &lt; b &lt;= c</c>, <c>a in b</c>, <c>a not in b</c>: each operand is evaluated once.</summary>
internal sealed record Comparison(Expression First, IReadOnlyList<(string Sign, Expression Operand)> Rest, int Position) : Expression(Position);

/// <summary><c>then if condition else otherwise</c></summary>
internal sealed record Conditional(Expression Condition, Expression Then, Expression? Otherwise, int Position) : Expression(Position);

/// <summary>The unevaluated arguments of a call.</summary>
internal sealed record ArgumentList(IReadOnlyList<Expression> Positional, IReadOnlyList<(string Name, Expression Value)> Named)
{
    public static readonly ArgumentList Empty = new([], []);
}

/// <summary>A statement.</summary>
internal abstract record Statement(int Position);

internal sealed record TextOutput(string Text, int Position) : Statement(Position);

internal sealed record ExpressionOutput(Expression Value, int Position) : Statement(Position);

/// <summary>The <c>if</c> and <c>elif</c> branches and the <c>else</c> block.</summary>
internal sealed record If(
    IReadOnlyList<(Expression Condition, IReadOnlyList<Statement> Body)> Branches, IReadOnlyList<Statement> Else, int Position) : Statement(Position);

internal sealed record For(
    AssignmentTarget Target, Expression Items, Expression? Filter, IReadOnlyList<Statement> Body, IReadOnlyList<Statement> Else, int Position)
    : Statement(Position);

internal sealed record Set(AssignmentTarget Target, Expression Value, int Position) : Statement(Position);

/// <summary><c>{% set name | filters %}body{% endset %}</c></summary>
internal sealed record SetBlock(AssignmentTarget Target, FilterCall? Filters, IReadOnlyList<Statement> Body, int Position) : Statement(Position);

internal sealed record MacroDefinition(
    string Name, IReadOnlyList<(string Name, Expression? Default)> Parameters, IReadOnlyList<Statement> Body, int Position) : Statement(Position);

/// <summary><c>{% generation %}</c>, which marks the assistant's text; renders its body in a new scope.</summary>
internal sealed record Generation(IReadOnlyList<Statement> Body, int Position) : Statement(Position);

/// <summary><c>break</c> or <c>continue</c>.</summary>
internal sealed record LoopControl(Completion Completion, int Position) : Statement(Position);

/// <summary>How a statement ends.</summary>
internal enum Completion
{
    /// <summary>Execution continues with the next statement.</summary>
    Normal,

    /// <summary>Execution leaves the loop.</summary>
    Break,

    /// <summary>Execution continues with the next item of the loop.</summary>
    Continue,
}

/// <summary>The target of an assignment.</summary>
internal abstract record AssignmentTarget(int Position);

internal sealed record NameTarget(string Name, int Position) : AssignmentTarget(Position);

/// <summary>An attribute of a namespace.</summary>
internal sealed record NamespaceTarget(string Name, string Attribute, int Position) : AssignmentTarget(Position);

internal sealed record TupleTarget(IReadOnlyList<AssignmentTarget> Items, int Position) : AssignmentTarget(Position);
