using System.Collections;
using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Microsoft.ML.Nlft.Tool.Projects;

/// <summary>Texts, names and values as C# source.</summary>
internal static class CSharpText
{
    /// <summary>Names that generated code uses itself: a class of such a name would hide what is meant.</summary>
    private static readonly HashSet<string> s_used =
    [
        "AnswerComparison", "AppContext", "BaseModelFolder", "BuildPipeline", "CallerFilePath", "CallerFilePathAttribute", "ColumnName",
        "ColumnNameAttribute", "Console", "CreatePredictEngine", "DataColumns", "Dictionary", "Equals", "Evaluate", "EvaluateFilePath",
        "EvaluationResult", "Finalize", "GetHashCode", "GetType", "IDataView", "IEstimator", "ITransformer", "Lazy", "LoadColumn",
        "LoadColumnAttribute", "LoadIDataViewFromFile", "MLContext", "MLNetModelPath", "MemberwiseClone", "Microsoft", "ModelInput",
        "ModelOutput", "NaturalLanguageFineTuneTrainer", "Path", "Predict", "PredictEngine", "PredictionEngine", "Program", "ProjectFolder",
        "ReferenceEquals", "RetrainFilePath", "RetrainModel", "SaveModel", "SupervisedFineTuneTrainer", "System", "TextLoader", "ToString", "Train",
    ];

    /// <summary>Makes an identifier of any text, in capital at its beginning, so that it is no keyword.</summary>
    /// <param name="text">The name of a column, a folder or a class.</param>
    /// <param name="other">What to begin with when nothing of the text can stay, and to end with when code uses the name itself.</param>
    public static string Identifier(string text, string other)
    {
        var name = new StringBuilder();
        foreach (var letter in text.Normalize())
        {
            if (IsPart(letter)) name.Append(letter);
            else if (name.Length > 0 && name[^1] != '_') name.Append('_');
        }
        while (name.Length > 0 && name[^1] == '_') name.Length--;
        if (name.Length == 0) return other;
        name[0] = char.ToUpperInvariant(name[0]);
        if (!char.IsLetter(name[0])) name.Insert(0, other);
        var identifier = name.ToString();
        return s_used.Contains(identifier) ? identifier + other : identifier;
    }

    /// <summary>A string literal on one line.</summary>
    public static string Literal(string text)
    {
        var literal = new StringBuilder("\"");
        foreach (var letter in text) literal.Append(letter == '"' ? "\\\"" : Escaped(letter));
        return literal.Append('"').ToString();
    }

    /// <summary>A literal of one character.</summary>
    public static string Literal(char letter) => letter == '\'' ? @"'\''" : $"'{Escaped(letter)}'";

    private static string Escaped(char letter) => letter switch
    {
        '\\' => @"\\",
        '\n' => "\\n",
        '\r' => "\\r",
        '\t' => "\\t",
        _ when char.IsControl(letter) || char.IsSurrogate(letter) || char.GetUnicodeCategory(letter) is UnicodeCategory.LineSeparator
            or UnicodeCategory.ParagraphSeparator or UnicodeCategory.Format => $"\\u{(int)letter:x4}",
        _ => letter.ToString(),
    };

    /// <summary>The value of an option.</summary>
    /// <param name="value">A number, a text, a name of an enumeration, a list or a dictionary of these, or null.</param>
    /// <param name="namespaces">Receives the namespaces that the text needs.</param>
    /// <exception cref="NlftException">It is a JSON object or a JSON list.</exception>
    public static string Value(object? value, ISet<string> namespaces)
    {
        switch (value)
        {
            case null: return "null";
            case string text: return Literal(text);
            case bool flag: return flag ? "true" : "false";
            case double number when double.IsNaN(number): return "double.NaN";
            case double number when double.IsInfinity(number): return number > 0 ? "double.PositiveInfinity" : "double.NegativeInfinity";
            case Enum name:
                namespaces.Add(name.GetType().Namespace!);
                return $"{name.GetType().Name}.{name}";
            case JsonElement json: return OfJson(json, namespaces);
            case IDictionary pairs:
                var entries = pairs.Keys.Cast<string>().Select(key => $"[{Literal(key)}] = {Value(pairs[key], namespaces)}");
                return $"new Dictionary<string, {TypeOfValues(pairs)}> {{ {string.Join(", ", entries)} }}";
            case IEnumerable list: return $"[{string.Join(", ", list.Cast<object?>().Select(item => Value(item, namespaces)))}]";
            default: return ((IFormattable)value).ToString(null, CultureInfo.InvariantCulture);
        }
    }

    private static string OfJson(JsonElement json, ISet<string> namespaces) => json.ValueKind switch
    {
        JsonValueKind.String => Literal(json.GetString()!),
        JsonValueKind.True or JsonValueKind.False => Value(json.GetBoolean(), namespaces),
        JsonValueKind.Number => Value(json.TryGetInt32(out var whole) ? whole : json.GetDouble(), namespaces),
        JsonValueKind.Null => "null",
        _ => throw new NlftException("option TemplateVariables", $"the value {json.GetRawText()}", "texts, numbers, true or false",
            "Set the variable in the project's code."),
    };

    private static string TypeOfValues(IDictionary pairs) => pairs.GetType().GetGenericArguments()[1] is var type && type == typeof(int) ? "int"
        : type == typeof(double) ? "double" : "object?";

    private static bool IsPart(char letter) => letter == '_' || char.GetUnicodeCategory(letter) is UnicodeCategory.UppercaseLetter
        or UnicodeCategory.LowercaseLetter or UnicodeCategory.TitlecaseLetter or UnicodeCategory.ModifierLetter or UnicodeCategory.OtherLetter
        or UnicodeCategory.LetterNumber or UnicodeCategory.DecimalDigitNumber or UnicodeCategory.NonSpacingMark
        or UnicodeCategory.SpacingCombiningMark;
}
