using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json;
using Microsoft.ML.Nlft.Common;

namespace Microsoft.ML.Nlft.Grammars;

/// <summary>
/// Reads a JSON schema (2020-12). Keywords that only describe are ignored, and so are unknown ones, as the standard says; a keyword that would change
/// which values are valid, and is not supported, is refused with its place.
/// </summary>
internal sealed class JsonSchemaReader
{
    private const int MaximumBytes = 1 << 18, MaximumSchemas = 4096;

    private const string Simplify = "Leave it out and check the answer, or say the same with supported keywords.";

    private static readonly HashSet<string> s_unsupported =
    [
        "pattern", "patternProperties", "propertyNames", "minProperties", "maxProperties", "dependentRequired", "dependentSchemas", "dependencies",
        "contains", "minContains", "maxContains", "multipleOf", "if", "then", "else", "not", "unevaluatedItems", "unevaluatedProperties",
        "additionalItems", "$dynamicRef", "$recursiveRef",
    ];

    /// <summary>Keywords that say which values are valid, and are read.</summary>
    private static readonly HashSet<string> s_supported =
    [
        "type", "properties", "required", "additionalProperties", "enum", "const", "items", "prefixItems", "minItems", "maxItems", "uniqueItems",
        "anyOf", "oneOf", "allOf", "$ref", "minLength", "maxLength", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "nullable",
    ];

    private readonly List<SchemaRule> _rules =
        [new() { Types = JsonTypes.All, Items = SchemaRules.Any, OtherProperties = SchemaRules.Any }, new()];

    private readonly List<JsonPlace> _places = [default, default];
    private readonly Dictionary<string, int> _references = new(StringComparer.Ordinal);
    private readonly Queue<int> _waiting = new();
    private readonly JsonPlace _root;

    private JsonSchemaReader(JsonPlace root) => _root = root;

    /// <summary>Returns the rules of any JSON value.</summary>
    public static SchemaRules AnyValue() => Finish(new JsonSchemaReader(default), SchemaRules.Any);

    /// <summary>Reads a schema.</summary>
    /// <param name="schema">An object, true or false.</param>
    /// <param name="subject">The schema's name in messages.</param>
    /// <exception cref="NlftException">
    /// A keyword is not supported or has a wrong value, the schema is too large or refers to itself without a value in between, or no value is valid.
    /// </exception>
    public static SchemaRules Read(JsonElement schema, string subject)
    {
        if (schema.ValueKind == JsonValueKind.Undefined)
            throw new NlftException(subject, "no value", "a JSON schema", "Pass an object with a type, or true for any JSON.");
        var length = JsonMarshal.GetRawUtf8Value(schema).Length;
        if (length > MaximumBytes)
            throw new NlftException(subject, $"{length} bytes", $"at most {MaximumBytes}", "Describe less in one schema.");
        var source = new JsonSource(subject, "a JSON schema")
        {
            FileRemedy = "Correct the schema.", ValueRemedy = "Correct the schema.", TextRemedy = "Correct the schema.",
        };
        var reader = new JsonSchemaReader(JsonFile.Check(schema, source));
        reader._references["#"] = 2;
        return Finish(reader, reader.Add(reader._root));
    }

    private static SchemaRules Finish(JsonSchemaReader reader, int root)
    {
        while (reader._waiting.TryDequeue(out var next)) reader.ReadRule(reader._rules[next], reader._places[next]);
        var check = new SchemaCheck(reader._rules, reader._places);
        check.RequireValuesBetween();
        check.FindDepths();
        if (reader._rules[root].Depth > SchemaRules.MaximumDepth)
        {
            throw reader._root.Refuse("a schema that allows a value", reader._rules[root].Depth == SchemaRules.NoDepth
                ? "Correct the schema: no value is valid." : $"Nest at most {SchemaRules.MaximumDepth} arrays and objects.");
        }
        check.RequireApart();
        return new SchemaRules(reader._rules, root);
    }

    /// <summary>Adds a schema to those to read.</summary>
    private int Add(JsonPlace place)
    {
        if (place.Value.ValueKind is JsonValueKind.True or JsonValueKind.False)
            return place.Value.ValueKind == JsonValueKind.True ? SchemaRules.Any : SchemaRules.None;
        if (place.Value.ValueKind != JsonValueKind.Object) throw place.Refuse("a schema: an object, true or false");
        if (_rules.Count >= MaximumSchemas) throw place.Refuse($"at most {MaximumSchemas} schemas in one", "Describe less in one schema.");
        _rules.Add(new());
        _places.Add(place);
        _waiting.Enqueue(_rules.Count - 1);
        return _rules.Count - 1;
    }

    private void ReadRule(SchemaRule rule, JsonPlace place)
    {
        var keywords = new HashSet<string>(StringComparer.Ordinal);
        foreach (var (name, value) in place.Members())
        {
            if (s_unsupported.Contains(name) || (name == "$id" && place.Path.Length > 0))
                throw new NlftException(value.Subject, $"the keyword {name}", "keywords that are supported here: docs/chat.md lists them", Simplify);
            if (s_supported.Contains(name)) keywords.Add(name);
        }
        if (keywords.Remove("uniqueItems") && place["uniqueItems"].BooleanOrNull() == true)
            throw place["uniqueItems"].Refuse("false: equal items are not recognised", Simplify);
        if (keywords.Remove("nullable") && place["nullable"].BooleanOrNull() == true) rule.Types |= JsonTypes.Null;
        string[] alone = ["$ref", "anyOf", "oneOf", "allOf", "enum", "const"];
        if (Array.Find(alone, keywords.Contains) is { } keyword)
        {
            var mayHaveType = keyword is "enum" or "const";
            if (keywords.FirstOrDefault(other => other != keyword && !(mayHaveType && other == "type")) is { } other)
            {
                throw new NlftException(place[other].Subject, $"{other} beside {keyword}",
                    $"{keyword} without other keywords that restrict the value", Simplify);
            }
            if (mayHaveType) rule.Values = ListedValues.Read(place, keyword, keywords.Contains("type") ? ReadTypes(place["type"]) : JsonTypes.All);
            else rule.Alternatives = keyword == "$ref" ? [Resolve(place["$ref"])] : ReadAlternatives(place[keyword]);
            rule.OneAlternative = keyword == "oneOf";
            if (keyword == "allOf" && rule.Alternatives.Count > 1) throw place[keyword].Refuse("one schema", Simplify);
            return;
        }
        rule.Types |= keywords.Contains("type") ? ReadTypes(place["type"]) : JsonTypes.All;
        (rule.MinimumLength, rule.MaximumLength) = (Count(place["minLength"], 0), Count(place["maxLength"], ExpressionSet.Unlimited));
        (rule.MinimumItems, rule.MaximumItems) = (Count(place["minItems"], 0), Count(place["maxItems"], ExpressionSet.Unlimited));
        if (keywords.Contains("prefixItems")) rule.FirstItems = [.. place["prefixItems"].Items().Select(Add)];
        rule.Items = keywords.Contains("items") ? Add(place["items"]) : SchemaRules.Any;
        rule.Bounds = ReadBounds(place);
        ReadProperties(rule, place);
    }

    private static JsonTypes ReadTypes(JsonPlace place)
    {
        const string Expected = "null, boolean, integer, number, string, array or object, or a list of them";
        var types = JsonTypes.None;
        foreach (var name in place.Value.ValueKind == JsonValueKind.Array ? place.Items() : [place])
        {
            types |= name.Value.ValueKind != JsonValueKind.String ? throw name.Refuse(Expected) : name.String() switch
            {
                "null" => JsonTypes.Null,
                "boolean" => JsonTypes.Boolean,
                "integer" => JsonTypes.Integer,
                "number" => JsonTypes.Number,
                "string" => JsonTypes.String,
                "array" => JsonTypes.Array,
                "object" => JsonTypes.Object,
                _ => throw name.Refuse(Expected),
            };
        }
        return types;
    }

    /// <summary>Reads a limit that is a whole number, also as 3.0; beyond what an int holds, it has no effect or nothing is valid.</summary>
    private static int Count(JsonPlace place, int ifMissing)
    {
        if (place.IsMissing) return ifMissing;
        return place.Value.ValueKind == JsonValueKind.Number && place.Value.TryGetDouble(out var number) && number >= 0
            && Math.Floor(number) == number
            ? (int)Math.Min(number, ExpressionSet.Unlimited) : throw place.Refuse("a whole number, 0 or more");
    }

    private static NumberBounds? ReadBounds(JsonPlace place)
    {
        var (minimum, above) = (Bound(place["minimum"]), Bound(place["exclusiveMinimum"]));
        var (maximum, below) = (Bound(place["maximum"]), Bound(place["exclusiveMaximum"]));
        if (minimum is null && above is null && maximum is null && below is null) return null;
        var least = decimal.Max(minimum ?? -NumberBounds.Limit, above ?? -NumberBounds.Limit);
        var most = decimal.Min(maximum ?? NumberBounds.Limit, below ?? NumberBounds.Limit);
        return new NumberBounds(least, least == above, most, most == below);

        static decimal? Bound(JsonPlace place) => place.IsMissing ? null
            : place.Value.ValueKind == JsonValueKind.Number && place.Value.TryGetDecimal(out var value)
                && decimal.Abs(value) <= NumberBounds.Limit ? value
            : throw place.Refuse("a number from -1e15 to 1e15");
    }

    private int[] ReadAlternatives(JsonPlace place)
    {
        int[] alternatives = place.Value.ValueKind == JsonValueKind.Array ? [.. place.Items().Select(Add)] : throw place.Refuse("a list of schemas");
        return alternatives.Length > 0 ? alternatives : throw place.Refuse("one schema or more");
    }

    private void ReadProperties(SchemaRule rule, JsonPlace place)
    {
        var (named, others) = (place["properties"], place["additionalProperties"]);
        if (!named.IsMissing) named.RequireObject();
        var names = place["required"];
        if (!names.IsMissing && names.Value.ValueKind != JsonValueKind.Array) throw names.Refuse("a list of names");
        List<string> required = names.IsMissing ? [] : [.. names.Items().Select(name => name.String()).Distinct()];
        var isRequired = required.ToHashSet(StringComparer.Ordinal);
        // A schema that names members and says nothing of others is read as one without others: the answer is valid, and ends.
        rule.OtherProperties = !others.IsMissing ? Add(others) : named.IsMissing ? SchemaRules.Any : SchemaRules.None;
        List<SchemaProperty> properties = named.IsMissing ? []
            : [.. named.Members().Select(member => new SchemaProperty(member.Name, Add(member.Value), isRequired.Contains(member.Name)))];
        isRequired.ExceptWith(properties.Select(property => property.Name));
        var unnamed = others.IsMissing ? SchemaRules.Any : rule.OtherProperties;
        properties.AddRange(required.Where(isRequired.Contains).Select(name => new SchemaProperty(name, unnamed, IsRequired: true)));
        rule.Properties = properties;
    }

    /// <summary>Returns the number of the schema that a $ref names.</summary>
    private int Resolve(JsonPlace place)
    {
        const string Expected = "a reference to a schema of the same document, such as #/$defs/name";
        var reference = place.Value.ValueKind == JsonValueKind.String ? place.String() : throw place.Refuse(Expected);
        if (_references.TryGetValue(reference, out var known)) return known;
        if (!reference.StartsWith("#/", StringComparison.Ordinal)) throw place.Refuse(Expected);
        var target = _root;
        foreach (var part in reference[2..].Split('/'))
        {
            var name = Uri.UnescapeDataString(part).Replace("~1", "/", StringComparison.Ordinal).Replace("~0", "~", StringComparison.Ordinal);
            JsonPlace? next = target.Value.ValueKind switch
            {
                JsonValueKind.Object when target.Value.TryGetProperty(name, out _) => target[name],
                JsonValueKind.Array when int.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out var index)
                    && index < target.Value.GetArrayLength() => target.Items().ElementAt(index),
                _ => null,
            };
            target = next ?? throw place.Refuse(Expected, "Correct the reference: there is no such place.");
        }
        return _references[reference] = Add(target);
    }
}
