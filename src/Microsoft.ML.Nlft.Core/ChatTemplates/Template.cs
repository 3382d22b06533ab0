namespace Microsoft.ML.Nlft.ChatTemplates;

/// <summary>
/// A parsed template: the part of Jinja (jinja.palletsprojects.com, version 3.1) that chat templates use, with trim_blocks, lstrip_blocks,
/// loop controls and the generation tag on, as Hugging Face sets it up.
/// </summary>
internal sealed class Template
{
    private readonly string _name, _source;
    private readonly ChatTemplateOptions _options;
    private readonly IReadOnlyList<Statement> _statements;

    /// <summary>Parses a template.</summary>
    /// <param name="source">The text of the template.</param>
    /// <param name="name">As messages name it.</param>
    /// <param name="options">Limits and clock.</param>
    public Template(string source, string name, ChatTemplateOptions options)
    {
        (_name, _source, _options) = (name, TemplateLexer.NormalizeNewlines(source), options);
        try
        {
            _statements = StatementParser.Parse(_source, options.MaximumDepth);
        }
        catch (TemplateError error)
        {
            throw Located(error, 0);
        }
    }

    /// <summary>Renders the template.</summary>
    /// <exception cref="NlftException">
    /// The template is at fault, goes beyond a limit or raises an exception of its own (then the cause is a <see cref="TemplateRaised"/>).
    /// </exception>
    public string Render(IEnumerable<KeyValuePair<string, object?>> variables)
    {
        var budget = new RenderBudget(_options);
        var scope = new Scope(Globals.Create(_options.TimeProvider, budget));
        foreach (var (name, value) in variables) scope[name] = TemplateInput.Convert(value, name);
        var interpreter = new Interpreter(budget);
        try
        {
            return interpreter.Run(_statements, new Scope(scope));
        }
        catch (TemplateError error)
        {
            throw Located(error, interpreter.Position);
        }
        catch (TemplateRaised raised)
        {
            throw new NlftException(
                Place(interpreter.Position),
                $"the template's own refusal \"{raised.Message}\"",
                "messages that the template accepts",
                "Change the messages as the refusal says.",
                raised);
        }
    }

    private NlftException Located(TemplateError error, int position) =>
        new(Place(error.Position ?? position), error.Found, error.Expected, error.Remedy, error);

    private string Place(int position)
    {
        var before = _source.AsSpan(0, Math.Min(position, _source.Length));
        return $"{_name}, line {before.Count('\n') + 1}, column {position - before.LastIndexOf('\n')}";
    }
}
