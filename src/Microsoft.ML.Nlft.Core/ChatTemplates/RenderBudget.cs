using System.Runtime.CompilerServices;

namespace Microsoft.ML.Nlft.ChatTemplates;

/// <summary>
/// Limits the work, memory and nesting of one rendering, so that no template can hang, exhaust memory or overflow the stack. Work is counted by the
/// length that it touches, and before it is done.
/// </summary>
internal sealed class RenderBudget(ChatTemplateOptions options)
{
    private const int CharactersPerStep = 16, BytesPerStep = 32;
    private const string Remedy = "Raise the limit in ChatTemplateOptions when the template is trusted, or use another model folder.";

    private long _left = options.MaximumSteps > long.MaxValue / CharactersPerStep ? long.MaxValue : options.MaximumSteps * CharactersPerStep;
    private int _depth;

    /// <summary>Counts steps, one per evaluated node.</summary>
    public void Step(long count = 1) => Touch(count * CharactersPerStep);

    /// <summary>Counts characters to compare, search or copy, 16 per step.</summary>
    public void Touch(long characters)
    {
        if (characters > _left)
        {
            throw new TemplateError($"more than {options.MaximumSteps} steps", "a template that ends within MaximumSteps") { Remedy = Remedy };
        }

        _left -= characters;
    }

    /// <summary>Counts the bytes of an object to create that is larger than a list item, 32 per step.</summary>
    public void Allocate(int bytes) => Step(bytes / BytesPerStep);

    /// <summary>Counts the hash of a key to look up or add.</summary>
    public void Hash(object? key)
    {
        if (key is string text) Touch(text.Length);
    }

    /// <summary>Counts the characters of a text to create.</summary>
    /// <param name="length">Length of the whole text.</param>
    /// <param name="present">Characters of it that were counted before.</param>
    public void CountCharacters(long length, int present = 0)
    {
        if (length > options.MaximumLength) throw TooLong(length, "characters");
        Touch(Math.Max(length - present, 0));
    }

    /// <summary>Counts the items of a list to create, one per step.</summary>
    public void CountItems(long count)
    {
        if (count > options.MaximumLength) throw TooLong(count, "items");
        Step(count);
    }

    /// <summary>Counts a visit of one value in a traversal of nested values; a shared value counts at each visit.</summary>
    public void Visit()
    {
        Step();
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
