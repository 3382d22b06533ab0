using System.Text.Json.Nodes;

namespace Microsoft.ML.Nlft.Tests.Grammars;

/// <summary>Random schemas of the supported keywords.</summary>
internal static class RandomSchema
{
    private static readonly string[] s_names = ["a", "ab", "b", "é", "x\"y", "type"];

    /// <summary>Returns a schema that is an object, array or value; every schema has a short valid value.</summary>
    public static JsonNode Next(Random random, int depth = 0) => random.Next(depth < 3 ? 12 : 8) switch
    {
        0 => new JsonObject { ["type"] = "boolean", ["title"] = "a flag" },
        1 => new JsonObject { ["type"] = new JsonArray("null", "integer") },
        2 => Bounded("integer", random),
        3 => Bounded("number", random),
        4 => new JsonObject { ["type"] = "string", ["minLength"] = random.Next(3), ["maxLength"] = 3 + random.Next(3) },
        5 => new JsonObject { ["enum"] = new JsonArray("a", "ab", "b\n", "é😀", 1, -2.5, null, new JsonArray(1, "x"),
            new JsonObject { ["k"] = true }) },
        6 => new JsonObject { ["const"] = random.Next(2) == 0 ? "a" : 7 },
        7 => new JsonObject { ["type"] = "number" },
        8 => Array(random, depth),
        9 => new JsonObject { ["anyOf"] = new JsonArray(Next(random, depth + 1), Next(random, depth + 1), new JsonObject { ["type"] = "null" }) },
        10 => new JsonObject
        {
            ["oneOf"] = new JsonArray(Tagged("cat", random, depth), Tagged("cats", random, depth), new JsonObject { ["type"] = "string" }),
        },
        _ => Object(random, depth),
    };

    private static JsonObject Bounded(string type, Random random)
    {
        var least = random.Next(-1200, 1200) / (type == "integer" ? 1m : 8m);
        var bounded = new JsonObject { ["type"] = type, [random.Next(2) == 0 ? "minimum" : "exclusiveMinimum"] = least };
        if (random.Next(3) > 0) bounded[random.Next(2) == 0 ? "maximum" : "exclusiveMaximum"] = least + random.Next(2, 200);
        return bounded;
    }

    private static JsonObject Array(Random random, int depth)
    {
        var array = new JsonObject { ["type"] = "array", ["minItems"] = random.Next(3), ["maxItems"] = 2 + random.Next(2) };
        if (random.Next(2) == 0)
        {
            array["items"] = Next(random, depth + 1);
            return array;
        }
        array["prefixItems"] = new JsonArray(Next(random, depth + 1), Next(random, depth + 1));
        array["items"] = new JsonObject { ["type"] = "null" };
        return array;
    }

    private static JsonObject Tagged(string tag, Random random, int depth)
    {
        var tagged = Object(random, depth + 1);
        ((JsonObject)tagged["properties"]!)["type"] = new JsonObject { ["const"] = tag };
        tagged["required"] = new JsonArray("type");
        return tagged;
    }

    private static JsonObject Object(Random random, int depth)
    {
        var (properties, required) = (new JsonObject(), new JsonArray());
        foreach (var name in s_names)
        {
            if (random.Next(2) == 0) properties[name] = Next(random, depth + 1);
            if (random.Next(4) == 0 && properties.ContainsKey(name)) required.Add(name);
        }
        if (random.Next(4) == 0) required.Add("further");
        var schema = new JsonObject { ["type"] = "object", ["properties"] = properties, ["required"] = required };
        switch (random.Next(3))
        {
            case 0 when !required.Any(name => (string)name! == "further"):
                schema["additionalProperties"] = false;
                break;
            case 1:
                schema["additionalProperties"] = new JsonObject { ["type"] = "boolean" };
                break;
        }
        return schema;
    }
}
