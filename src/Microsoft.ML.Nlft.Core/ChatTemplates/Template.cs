namespace Microsoft.ML.Nlft.ChatTemplates;

/// <summary>
/// Represents a parsed template in the subset of Jinja 3.1 (jinja.palletsprojects.com) that chat templates use, with trim_blocks, lstrip_blocks,
/// loop controls and the generation tag, as Hugging Face configures it.
/// </summary>
internal sealed class Template
{
    private readonly string _name, _source;
    private readonly ChatTemplateOptions _options;
    private readonly IReadOnlyList<Statement> _statements;

    /// <summary>Parses a template.</summary>
    /// <param name="source">The source.</param>
    /// <param name="name">Name in messages.</param>
    /// <param name="options">Clock and limits.</param>
    /// <exception cref="NlftException">The template is malformed or uses unsupported Jinja.</exception>
    public Template(string source, string name, ChatTemplateOptions options)
    {
        (_name, _source, _options) = (name, TemplateLexer.NormalizeNewlines(source), options);
        try
        {
            _statements = StatementParser.Parse(_source, options.MaximumDepth, out var marksGeneration);
            MarksGeneration = marksGeneration;
        }
        catch (TemplateError error)
        {
            throw Located(error, 0);
        }
    }

    /// <summary>Whether the template marks the assistant's text with a generation block.</summary>
    public bool MarksGeneration { get; }

    /// <summary>Renders the template.</summary>
    /// <exception cref="NlftException">
    /// The template fails, exceeds a limit or raises an exception itself; in that case the inner exception is a <see cref="TemplateRaised"/>.
    /// </exception>
    public RenderedChat Render(IEnumerable<KeyValuePair<string, object?>> variables)
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
