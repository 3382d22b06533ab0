namespace Microsoft.ML.Nlft.ChatTemplates;

/// <summary>Executes the statements of a template and collects their output.</summary>
internal sealed class Interpreter(RenderBudget budget)
{
    private readonly Evaluator _evaluator = new(budget);
    private readonly TextBuilder _printed = new(budget);
    private readonly List<Range> _generations = [];
    private readonly List<RenderedTurn> _turns = [];
    private TextBuilder? _captured; // the text of a macro, a set block or a generation block while it is executed

    /// <summary>Gets the offset of the node being executed, for messages.</summary>
    public int Position => _evaluator.Position;

    /// <summary>Executes statements and returns their output.</summary>
    public RenderedChat Run(IReadOnlyList<Statement> statements, Scope scope)
    {
        Execute(statements, scope);
        return new RenderedChat(_printed.ToString(), _generations, _turns);
    }

    private Completion Execute(IReadOnlyList<Statement> statements, Scope scope)
    {
        foreach (var statement in statements)
        {
            budget.Step();
            budget.Enter();
            _evaluator.Position = statement.Position;
            var completion = Execute(statement, scope);
            budget.Leave();
            if (completion != Completion.Normal) return completion;
        }

        return Completion.Normal;
    }

    private Completion Execute(Statement statement, Scope scope)
    {
        switch (statement)
        {
            case TextOutput text:
                Print(text.Text);
                break;
            case ExpressionOutput output:
                Print(_evaluator.Text(_evaluator.Evaluate(output.Value, scope)));
                break;
            case If @if:
                return Execute(@if, scope);
            case For @for:
                return Execute(@for, scope);
            case Set set:
                Assign(set.Target, _evaluator.Evaluate(set.Value, scope), scope);
                break;
            case SetBlock block:
                var body = Capture(block.Body, scope.Inner(budget));
                Assign(block.Target, _evaluator.ApplyFilters(block.Filters, body, scope), scope);
                break;
            case MacroDefinition macro:
                scope[macro.Name] = new TemplateCallable(macro.Name, arguments => CallMacro(macro, arguments, scope));
                break;
            case Generation generation:
                Generate(generation, scope.Inner(budget));
                break;
            case LoopControl control:
                return control.Completion;
            default:
                throw new InvalidOperationException(statement.GetType().Name);
        }

        return Completion.Normal;
    }

    private void Print(string text) => (_captured ?? _printed).Append(text);

    /// <summary>
    /// Prints the body of a generation block and records its place: as in transformers, it begins where the printed text ends so far.
    /// </summary>
    private void Generate(Generation generation, Scope scope)
    {
        var start = _printed.Length;
        var text = Capture(generation.Body, scope);
        _generations.Add(start..(start + text.Length));
        Print(text);
    }

    private string Capture(IReadOnlyList<Statement> body, Scope scope)
    {
        var outer = _captured;
        _captured = new TextBuilder(budget);
        Execute(body, scope);
        var text = _captured.ToString();
        _captured = outer;
        return text;
    }

    private Completion Execute(If statement, Scope scope)
    {
        foreach (var (condition, body) in statement.Branches)
        {
            if (Operators.IsTrue(_evaluator.Evaluate(condition, scope))) return Execute(body, scope);
        }

        return Execute(statement.Else, scope);
    }

    /// <summary>Executes a loop. Each iteration has a new scope. As in Jinja, else runs if no iteration reached its end.</summary>
    private Completion Execute(For statement, Scope scope)
    {
        var items = Operators.ToList(_evaluator.Evaluate(statement.Items, scope), budget);
        if (statement.Filter is { } filter)
        {
            items = items.FindAll(item =>
            {
                var inner = scope.Inner(budget);
                Assign(statement.Target, item, inner);
                return Operators.IsTrue(_evaluator.Evaluate(filter, inner));
            });
        }

        var loop = new LoopState(items, budget);
        var completed = false;
        for (var i = 0; i < items.Count; i++)
        {
            loop.Index = i;
            var inner = scope.Inner(budget);
            inner["loop"] = loop;
            Assign(statement.Target, items[i], inner);
            var start = _printed.Length;
            var completion = Execute(statement.Body, inner);
            if (_printed.Length > start && items[i] is TemplateMap item && item.TryGetValue("role", out var role) && role is string name)
                _turns.Add(new RenderedTurn(name, start.._printed.Length));
            if (completion == Completion.Break) break;
            completed |= completion == Completion.Normal;
        }

        return completed ? Completion.Normal : Execute(statement.Else, scope);
    }

    private void Assign(AssignmentTarget target, object? value, Scope scope)
    {
        switch (target)
        {
            case NameTarget name:
                budget.Hash(name.Name);
                scope[name.Name] = value;
                break;
            case NamespaceTarget attribute:
                _evaluator.Position = attribute.Position;
                var named = scope.Get(attribute.Name, budget);
                var owner = named as TemplateNamespace
                    ?? throw new TemplateError($"an attribute set on {PythonText.TypeName(named)}", "a namespace");
                budget.Hash(attribute.Attribute);
                owner.Attributes[attribute.Attribute] = value;
                break;
            case TupleTarget tuple:
                _evaluator.Position = tuple.Position;
                var items = Operators.ToList(value, budget);
                if (items.Count != tuple.Items.Count)
                {
                    throw new TemplateError($"{items.Count} values for {tuple.Items.Count} names", "one value per name");
                }
                foreach (var (inner, item) in tuple.Items.Zip(items)) Assign(inner, item, scope);
                break;
        }
    }

    /// <summary>Calls a macro, which sees the names around its definition, not those around the call.</summary>
    private string CallMacro(MacroDefinition macro, CallArguments arguments, Scope definition)
    {
        arguments.Bind([.. macro.Parameters.Select(parameter => parameter.Name)]);
        budget.Step(macro.Parameters.Count);
        var scope = definition.Inner(budget);
        foreach (var (name, fallback) in macro.Parameters)
        {
            scope[name] = arguments.TryGet(name, out var value) ? value
                : fallback is not null ? _evaluator.Evaluate(fallback, scope)
                : new Undefined($"parameter '{name}' was not provided");
        }

        return Capture(macro.Body, scope);
    }
}
