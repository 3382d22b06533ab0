using System.Globalization;
using Microsoft.ML.Nlft.ChatTemplates;

namespace Microsoft.ML.Nlft.Data;

/// <summary>
/// Renders turns through a chat template, each content in the form that the template shows: as a text, or as a list of parts. Refuses a template that
/// loses a text.
/// </summary>
internal sealed class ShownTemplate
{
    /// <summary>Letters that stand for a text; no template has them.</summary>
    public const string Letters = "qwertzuiop";

    private const string Remedy = "Use the template that was published with the model, or correct it.";

    private readonly ChatTemplate _template;
    private readonly HashSet<string> _rolesInParts = [];

    /// <summary>Finds the form that the template takes for every role.</summary>
    /// <param name="template">The template.</param>
    /// <param name="variables">Its variables.</param>
    /// <exception cref="NlftException">The template fails, or shows a user's text in neither form.</exception>
    public ShownTemplate(ChatTemplate template, IReadOnlyDictionary<string, object?> variables)
    {
        _template = template;
        ChatTurn system = new("system", Letters + "s"), user = new("user", Letters + "u"), assistant = new("assistant", Letters + "a");
        if (!Finds("user", [user], [user], variables)) throw Lost("the user's text");

        TakesSystem = Finds("system", [system, user], [system, user], variables);
        Finds("assistant", [user, assistant], [assistant], variables);
    }

    /// <summary>Gets whether the template shows a system text before a user's: some refuse it, others drop it or the user's.</summary>
    public bool TakesSystem { get; }

    /// <summary>Renders turns.</summary>
    public string Render(IEnumerable<ChatTurn> turns, bool addGenerationPrompt, IReadOnlyDictionary<string, object?> variables)
    {
        if (_rolesInParts.Count == 0) return _template.Render([.. turns], addGenerationPrompt, variables);

        var messages = turns.Select(turn => turn.ToMessage(_rolesInParts.Contains(turn.Role)
            ? new[] { new Dictionary<string, object?> { ["type"] = "text", ["text"] = turn.Content } } : turn.Content)).ToArray();
        return _template.Render([], addGenerationPrompt, new Dictionary<string, object?>(variables) { ["messages"] = messages });
    }

    /// <summary>
    /// Requires that a prompt shows its turns: of each content both ends; of an earlier answer, which may lose its thoughts, the end.
    /// </summary>
    /// <param name="turns">The turns.</param>
    /// <param name="rendered">The prompt.</param>
    /// <param name="variables">The variables it was rendered with.</param>
    /// <param name="parts">Names and texts of which the contents consist, for the message.</param>
    /// <exception cref="NlftException">A text is lost; the message names it.</exception>
    public void RequireAll(
        IReadOnlyList<ChatTurn> turns, string rendered, IReadOnlyDictionary<string, object?> variables,
        IEnumerable<(string Name, string? Text)> parts)
    {
        if (ShowsInOrder(turns, rendered)) return;

        var marked = Render(
            turns.Select((turn, i) => turn with { Content = (turn.Role == "assistant" ? "" : Mark(i, "a")) + turn.Content + Mark(i, "z") }),
            addGenerationPrompt: true, variables);
        for (var i = 0; i < turns.Count; i++)
        {
            var (turn, isShown) = (turns[i], marked.Contains(Mark(i, "z"), StringComparison.Ordinal));
            if (turn.ToolCalls.Count > 0) continue; // some templates show the call and not the text before it
            if (isShown && (turn.Role == "assistant" || marked.Contains(Mark(i, "a"), StringComparison.Ordinal))) continue;

            var lost = parts.FirstOrDefault(part => part.Text is { } text && !rendered.Contains(text.Trim(), StringComparison.Ordinal)).Name;
            throw Lost(lost ?? $"the text of message {i + 1} ({turn.Role}) or a part of it");
        }
    }

    private static string Mark(int turn, string end) => string.Create(CultureInfo.InvariantCulture, $"{Letters}{turn}{end}");

    private static bool ShowsInOrder(IReadOnlyList<ChatTurn> turns, string rendered)
    {
        var at = 0;
        foreach (var text in turns.Select(turn => turn.Content.Trim()))
        {
            at = rendered.IndexOf(text, at, StringComparison.Ordinal);
            if (at < 0) return false;

            at += text.Length;
        }

        return true;
    }

    /// <summary>Finds the form of a role's content in which some turns are shown, the text first.</summary>
    /// <param name="role">The role.</param>
    /// <param name="turns">The turns to render.</param>
    /// <param name="needed">Those to be shown.</param>
    /// <param name="variables">Variables of the template.</param>
    /// <returns>Whether there is one; false also where the template itself refuses a system text.</returns>
    /// <exception cref="NlftException">The template fails on the text, and does not show the parts.</exception>
    private bool Finds(string role, ChatTurn[] turns, ChatTurn[] needed, IReadOnlyDictionary<string, object?> variables)
    {
        NlftException? failure = null;
        foreach (var inParts in (bool[])[false, true])
        {
            if (inParts) _rolesInParts.Add(role);

            try
            {
                var rendered = Render(turns, addGenerationPrompt: role != "assistant", variables);
                if (needed.All(turn => rendered.Contains(turn.Content, StringComparison.Ordinal)) && !(inParts && PrintsParts(rendered))) return true;
            }
            catch (NlftException exception) when (exception.InnerException is TemplateRaised or TemplateError)
            {
                if (!inParts) failure = exception;
            }
        }

        _rolesInParts.Remove(role);
        return failure is null || (role == "system" && failure.InnerException is TemplateRaised) ? false : throw failure;
    }

    /// <summary>Whether a prompt shows the list itself, as Python or JSON spells it, and not only its text.</summary>
    private static bool PrintsParts(string rendered) =>
        rendered.Contains("'text'", StringComparison.Ordinal) || rendered.Contains("\"text\"", StringComparison.Ordinal);

    private NlftException Lost(string what) =>
        new(_template.Name, $"a chat template whose prompt lacks {what}", "a template that shows every message", Remedy);
}
