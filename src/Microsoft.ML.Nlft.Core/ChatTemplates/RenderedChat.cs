namespace Microsoft.ML.Nlft.ChatTemplates;

/// <summary>A rendered conversation with the places of its parts.</summary>
/// <param name="Text">The text.</param>
/// <param name="Generations">What stands between the generation tags, in the order of rendering; empty for a template without them.</param>
/// <param name="Turns">What the iterations of a loop over messages printed, in the order of rendering.</param>
internal sealed record RenderedChat(string Text, IReadOnlyList<Range> Generations, IReadOnlyList<RenderedTurn> Turns);

/// <summary>The text of one message in a rendered conversation.</summary>
/// <param name="Role">The role of the message.</param>
/// <param name="Text">Its place.</param>
internal readonly record struct RenderedTurn(string Role, Range Text);
