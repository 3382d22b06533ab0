namespace Microsoft.ML.Nlft.ChatTemplates;

/// <summary>Evaluates expressions.</summary>
internal sealed class Evaluator(RenderBudget budget)
{
    /// <summary>Gets or sets the offset of the node being evaluated, for messages.</summary>
    public int Position { get; set; }

    public object? Evaluate(Expression expression, Scope scope)
    {
        budget.Step();
        budget.Enter();
        Position = expression.Position;
        var value = expression switch
        {
            Literal literal => literal.Value,
            NameReference name => scope.Get(name.Name, budget),
            AttributeAccess access => Attribute(access, scope),
            ItemAccess access => Item(access, scope),
            SliceAccess access => Slice(access, scope),
            Binary binary => Binary(binary, scope),
            Comparison comparison => Compare(comparison, scope),
            Unary unary => Unary(unary, scope),
            Concatenation concatenation => Concatenate(concatenation, scope),
            Conditional conditional => Choose(conditional, scope),
            Call call => Call(call, scope),
            FilterCall filter => Filter(filter, Evaluate(filter.Target!, scope), scope),
            TestCall test => Test(test, scope),
            ListLiteral list => EvaluateAll(list.Items, scope),
            TupleLiteral tuple => new TemplateTuple([.. EvaluateAll(tuple.Items, scope)]),
            MapLiteral map => Map(map, scope),
            _ => throw new InvalidOperationException(expression.GetType().Name),
        };
        budget.Leave();
        return value;
    }

    /// <summary>Applies the filters of a set block, innermost first.</summary>
    public object? ApplyFilters(FilterCall? filter, object? value, Scope scope)
    {
        var filters = new Stack<FilterCall>();
        for (; filter is not null; filter = filter.Target as FilterCall)
        {
            budget.Step();
            filters.Push(filter);
        }

        foreach (var each in filters) value = Filter(each, value, scope);
        return value;
    }

    public string Text(object? value) => PythonText.Of(value, budget);

    private T AtPosition<T>(Expression expression, Func<T> compute)
    {
        Position = expression.Position;
        return compute();
    }

    private List<object?> EvaluateAll(IReadOnlyList<Expression> expressions, Scope scope)
    {
        var values = new List<object?>(expressions.Count);
        foreach (var expression in expressions) values.Add(Evaluate(expression, scope));
        return values;
    }

    private TemplateMap Map(MapLiteral literal, Scope scope)
    {
        budget.Allocate(TemplateMap.Bytes);
        var map = new TemplateMap();
        foreach (var (keyExpression, value) in literal.Items)
        {
            var key = Evaluate(keyExpression, scope);
            budget.Hash(key);
            map.Add(key, Evaluate(value, scope));
        }
        return map;
    }

    private object? Attribute(AttributeAccess access, Scope scope)
    {
        var target = Evaluate(access.Target, scope);
        return AtPosition(access, () => Members.Attribute(target, access.Name, budget));
    }

    private object? Item(ItemAccess access, Scope scope)
    {
        var target = Evaluate(access.Target, scope);
        var index = Evaluate(access.Index, scope);
        return AtPosition(access, () => Members.Item(target, index, budget));
    }

    private object? Slice(SliceAccess access, Scope scope)
    {
        var target = Evaluate(access.Target, scope);
        var start = access.Start is null ? null : Evaluate(access.Start, scope);
        var stop = access.Stop is null ? null : Evaluate(access.Stop, scope);
        var step = access.Step is null ? null : Evaluate(access.Step, scope);
        return AtPosition(access, () => Members.Slice(target, start, stop, step, budget));
    }

    private object? Unary(Unary unary, Scope scope)
    {
        var operand = Evaluate(unary.Operand, scope);
        return unary.Sign == "not" ? !Operators.IsTrue(operand) : AtPosition(unary, () => Operators.Negate(operand, unary.Sign));
    }

    /// <summary>Evaluates a binary operator. <c>and</c> and <c>or</c> return the operand that decided.</summary>
    private object? Binary(Binary binary, Scope scope)
    {
        var left = Evaluate(binary.Left, scope);
        switch (binary.Sign)
        {
            case "and": return Operators.IsTrue(left) ? Evaluate(binary.Right, scope) : left;
            case "or": return Operators.IsTrue(left) ? left : Evaluate(binary.Right, scope);
        }

        var right = Evaluate(binary.Right, scope);
        return AtPosition(binary, () => Operators.Arithmetic(binary.Sign, left, right, budget));
    }

    private object Compare(Comparison comparison, Scope scope)
    {
        var left = Evaluate(comparison.First, scope);
        foreach (var (sign, operand) in comparison.Rest)
        {
            var right = Evaluate(operand, scope);
            var before = left;
            if (!AtPosition(comparison, () => Operators.Holds(sign, before, right, budget))) return false;
            left = right;
        }

        return true;
    }

    private string Concatenate(Concatenation concatenation, Scope scope) =>
        StringMethods.Concatenate(EvaluateAll(concatenation.Parts, scope).ConvertAll(part => Text(part)), "", budget);

    private object? Choose(Conditional conditional, Scope scope)
    {
        if (Operators.IsTrue(Evaluate(conditional.Condition, scope))) return Evaluate(conditional.Then, scope);
        return conditional.Otherwise is { } otherwise
            ? Evaluate(otherwise, scope)
            : new Undefined("the condition of an inline if without else was false");
    }

    private object? Call(Call call, Scope scope)
    {
        var target = Evaluate(call.Target, scope);
        var name = (target as TemplateCallable)?.Name ?? "the call";
        var arguments = Arguments(name, call.Arguments, scope);
        return AtPosition(call, () => target switch
        {
            TemplateCallable callable => callable.Call(arguments),
            Undefined undefined => throw undefined.Error(),
            _ => throw new TemplateError($"a call of {PythonText.TypeName(target)}", "a function, a macro or a method"),
        });
    }

    private object? Filter(FilterCall filter, object? value, Scope scope)
    {
        var arguments = Arguments(filter.Name, filter.Arguments, scope);
        return AtPosition(filter, () => Filters.Apply(filter.Name, value, arguments, budget));
    }

    private object Test(TestCall test, Scope scope)
    {
        var value = Evaluate(test.Target, scope);
        var arguments = Arguments(test.Name, test.Arguments, scope);
        return AtPosition(test, () => Tests.Apply(test.Name, value, arguments, budget));
    }

    private CallArguments Arguments(string callee, ArgumentList list, Scope scope)
    {
        var positional = EvaluateAll(list.Positional, scope);
        if (list.Named.Count == 0) return new CallArguments(callee, positional);
        var named = new Dictionary<string, object?>(StringComparer.Ordinal);
        foreach (var (name, value) in list.Named)
        {
            budget.Hash(name);
            named.Add(name, Evaluate(value, scope));
        }

        return new CallArguments(callee, positional, named);
    }
}
