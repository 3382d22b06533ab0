using System.Text;

namespace Microsoft.ML.Nlft.Common;

/// <summary>
/// The place of an object or an array within its file. Only containers have one, and it is formatted only when a message needs it, so that it costs
/// nothing while a large file is read.
/// </summary>
/// <param name="Source">The file.</param>
/// <param name="Parent">The container around this one; null for the whole file.</param>
/// <param name="Name">The key in the parent, if that is an object.</param>
/// <param name="Index">The index in the parent, if that is an array.</param>
internal sealed record JsonPath(JsonSource Source, JsonPath? Parent = null, string? Name = null, int Index = 0)
{
    /// <summary>Returns the path of a member or an item of this container, for example <c>model.merges[3]</c>.</summary>
    public string Of(string? name, int index = 0)
    {
        var text = new StringBuilder();
        Append(text);
        AppendStep(text, name, index);
        return text.ToString();
    }

    /// <summary>Returns the path of this container; empty for the whole file.</summary>
    public override string ToString()
    {
        var text = new StringBuilder();
        Append(text);
        return text.ToString();
    }

    private void Append(StringBuilder text)
    {
        if (Parent is null)
        {
            text.Append(Name);
            return;
        }
        Parent.Append(text);
        AppendStep(text, Name, Index);
    }

    private static void AppendStep(StringBuilder text, string? name, int index)
    {
        if (name is null) text.Append('[').Append(index).Append(']');
        else (text.Length == 0 ? text : text.Append('.')).Append(name);
    }
}
