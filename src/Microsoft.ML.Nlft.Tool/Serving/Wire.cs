using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;

namespace Microsoft.ML.Nlft.Tool.Serving;

/// <summary>The JSON of OpenAI's API: names in snake case, no key twice.</summary>
[JsonSerializable(typeof(ChatRequest))]
[JsonSerializable(typeof(TextRequest))]
[JsonSerializable(typeof(ChatCompletion))]
[JsonSerializable(typeof(TextCompletion))]
[JsonSerializable(typeof(ModelList))]
[JsonSerializable(typeof(HealthBody))]
[JsonSerializable(typeof(ErrorBody))]
[JsonSerializable(typeof(JsonElement))]
internal sealed partial class Wire : JsonSerializerContext
{
    /// <summary>The contracts of requests and responses.</summary>
    public static Wire Json { get; } = new(new JsonSerializerOptions
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, // the body is JSON, never embedded in a page
        AllowDuplicateProperties = false,
        RespectNullableAnnotations = true,
    });

    /// <summary>Reads the body of a request.</summary>
    /// <exception cref="ApiException">It is no JSON, a field has the wrong type, or a text is not Unicode.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    public static async Task<T> ReadAsync<T>(Stream body, JsonTypeInfo<T> type, CancellationToken cancellationToken) where T : class
    {
        try
        {
            return await JsonSerializer.DeserializeAsync(body, type, cancellationToken)
                ?? throw ApiException.Invalid(null, "The body is null; expected a JSON object.");
        }
        catch (JsonException fault)
        {
            throw Refuse(fault, type);
        }
        catch (InvalidOperationException fault)
        {
            throw NotUnicode(fault);
        }
    }

    /// <summary>Runs a conversion that decodes texts inside raw JSON, where one that is not Unicode is found.</summary>
    public static T Decode<T>(Func<T> convert)
    {
        try
        {
            return convert();
        }
        catch (InvalidOperationException fault) when (fault is not ObjectDisposedException)
        {
            throw NotUnicode(fault);
        }
    }

    private static ApiException NotUnicode(InvalidOperationException fault) =>
        ApiException.Invalid(null, $"The body has a text that is not Unicode: {fault.Message}", cause: fault);

    /// <summary>Names the field of the wrong type and the right one; other faults in the parser's words.</summary>
    private static ApiException Refuse(JsonException fault, JsonTypeInfo type)
    {
        var path = fault.Path is { Length: > 2 } full && full.StartsWith("$.", StringComparison.Ordinal) ? full[2..] : null;
        if (!fault.Message.StartsWith("The JSON value could not be converted", StringComparison.Ordinal))
            return ApiException.Invalid(path, $"The body is no valid JSON: {fault.Message}", cause: fault);
        if (path is null) return ApiException.Invalid(null, "The body must be a JSON object.", cause: fault);
        return ApiException.Invalid(path, $"'{path}' must be {Expected(TypeAt(path, type))}.", cause: fault);
    }

    /// <summary>Returns the type of a field, for example of <c>messages[0].role</c>.</summary>
    private static Type TypeAt(string path, JsonTypeInfo type)
    {
        foreach (var step in path.Split('.'))
        {
            var name = step.Split('[')[0];
            if (type.Properties.FirstOrDefault(property => property.Name == name) is not { } field) break;
            var isList = step.EndsWith(']') && field.PropertyType.IsGenericType;
            type = Json.GetTypeInfo(isList ? field.PropertyType.GetGenericArguments()[0] : field.PropertyType)!;
        }
        return type.Type;
    }

    private static string Expected(Type type)
    {
        type = Nullable.GetUnderlyingType(type) ?? type;
        return type == typeof(int) || type == typeof(long) ? "a whole number"
            : type == typeof(float) || type == typeof(double) ? "a number"
            : type == typeof(bool) ? "true or false"
            : type == typeof(string) ? "a text"
            : type.IsGenericType ? "a list"
            : "an object";
    }
}
