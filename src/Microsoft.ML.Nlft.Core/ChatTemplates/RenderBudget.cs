using System.Runtime.CompilerServices;

namespace Microsoft.ML.Nlft.ChatTemplates;

/// <summary>What one rendering may use up, so that no template can hang, exhaust memory or overflow the stack.</summary>
internal sealed class RenderBudget(ChatTemplateOptions options)
{
    private const string Remedy = "Raise the limit in ChatTemplateOptions when the template is trusted, or use another model folder.";

    private long _steps;
    private int _depth;

    /// <summary>Counts work: a step per node that is evaluated.</summary>
    public void Step(long count = 1)
    {
        if ((_steps += count) > options.MaximumSteps)
        {
            throw new TemplateError($"more than {options.MaximumSteps} steps", "a template that ends within MaximumSteps") { Remedy = Remedy };
        }
    }

    /// <summary>Counts a text, a step per 16 characters: asked before it is made when it can be large.</summary>
    public void Text(long length)
    {
        if (length > options.MaximumLength) throw TooLong(length, "characters");
        Step(length / 16);
    }

    /// <summary>Counts a text that was made.</summary>
    public string Made(string text)
    {
        Text(text.Length);
        return text;
    }

    /// <summary>Counts a list, a step per item: asked before it is made when it can be large.</summary>
    public void Items(long count)
    {
        if (count > options.MaximumLength) throw TooLong(count, "items");
        Step(count);
    }

    /// <summary>Counts one value that a walk through nested values visits; shared parts count as often as they are visited.</summary>
    /// <param name="written">Length of the text that the walk writes.</param>
    public void Visit(int written = 0)
    {
        Step();
        if (written > options.MaximumLength) throw TooLong(written, "characters");
        GuardStack();
    }

    /// <summary>Goes one level of nesting down.</summary>
    public void Enter()
    {
        if (++_depth > options.MaximumDepth)
        {
            var found = $"more than {options.MaximumDepth} levels of nesting";
            throw new TemplateError(found, "a template that stays within MaximumDepth") { Remedy = Remedy };
        }

        GuardStack();
    }

    /// <summary>Comes back up.</summary>
    public void Leave() => _depth--;

    private TemplateError TooLong(long length, string what) =>
        new($"{length} {what} in one value", $"at most MaximumLength = {options.MaximumLength}") { Remedy = Remedy };

    /// <summary>Fails cleanly when nesting would overflow the stack.</summary>
    public static void GuardStack()
    {
        if (!RuntimeHelpers.TryEnsureSufficientExecutionStack())
        {
            throw new TemplateError("nesting too deep for the stack", "less nesting") { Remedy = Remedy };
        }
    }
}
