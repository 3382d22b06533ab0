using System.Runtime.CompilerServices;

namespace Microsoft.ML.Nlft.ChatTemplates;

/// <summary>Limits the steps, memory and nesting of one rendering, so that no template can hang, exhaust memory or overflow the stack.</summary>
internal sealed class RenderBudget(ChatTemplateOptions options)
{
    private const string Remedy = "Raise the limit in ChatTemplateOptions when the template is trusted, or use another model folder.";

    private long _steps;
    private int _depth;

    /// <summary>Counts steps, one per evaluated node.</summary>
    public void Step(long count = 1)
    {
        if ((_steps += count) > options.MaximumSteps)
        {
            throw new TemplateError($"more than {options.MaximumSteps} steps", "a template that ends within MaximumSteps") { Remedy = Remedy };
        }
    }

    /// <summary>Counts the characters of a text, 16 per step; call it before creating a text that may be large.</summary>
    public void CountCharacters(long length)
    {
        if (length > options.MaximumLength) throw TooLong(length, "characters");
        Step(length / 16);
    }

    /// <summary>Counts the characters of a text and returns it.</summary>
    public string Count(string text)
    {
        CountCharacters(text.Length);
        return text;
    }

    /// <summary>Counts the items of a list, one per step; call it before creating a list that may be large.</summary>
    public void CountItems(long count)
    {
        if (count > options.MaximumLength) throw TooLong(count, "items");
        Step(count);
    }

    /// <summary>Counts a visit of one value in a traversal of nested values; a shared value counts at each visit.</summary>
    /// <param name="written">Characters that the traversal has written so far.</param>
    public void Visit(int written = 0)
    {
        Step();
        if (written > options.MaximumLength) throw TooLong(written, "characters");
        GuardStack();
    }

    /// <summary>Enters a level of nesting.</summary>
    public void Enter()
    {
        if (++_depth > options.MaximumDepth)
        {
            var found = $"more than {options.MaximumDepth} levels of nesting";
            throw new TemplateError(found, "a template that stays within MaximumDepth") { Remedy = Remedy };
        }

        GuardStack();
    }

    /// <summary>Leaves a level of nesting.</summary>
    public void Leave() => _depth--;

    private TemplateError TooLong(long length, string what) =>
        new($"{length} {what} in one value", $"at most MaximumLength = {options.MaximumLength}") { Remedy = Remedy };

    /// <summary>Throws a <see cref="TemplateError"/> before nesting overflows the stack.</summary>
    public static void GuardStack()
    {
        if (!RuntimeHelpers.TryEnsureSufficientExecutionStack())
        {
            throw new TemplateError("nesting too deep for the stack", "less nesting") { Remedy = Remedy };
        }
    }
}
