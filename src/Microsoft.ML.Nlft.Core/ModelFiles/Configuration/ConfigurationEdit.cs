using System.Text;
using System.Text.Json;

namespace Microsoft.ML.Nlft.ModelFiles;

/// <summary>Changes single values of a config.json; all other bytes stay as they are.</summary>
internal static class ConfigurationEdit
{
    /// <summary>Returns the file with another dtype (torch_dtype); a file without the key stays as it is.</summary>
    public static byte[] WithDataType(byte[] json, TensorType type) => Replace(json, $"\"{type.TorchName()}\"", "dtype", "torch_dtype").Json;

    /// <summary>Returns the file with tie_word_embeddings set.</summary>
    public static byte[] WithTiedEmbeddings(byte[] json, bool tied)
    {
        const string Key = "tie_word_embeddings";
        var value = tied ? "true" : "false";
        var (edited, found) = Replace(json, value, Key);
        if (found) return edited;
        var start = json.AsSpan().IndexOf((byte)'{') + 1;
        return [.. json[..start], .. Encoding.UTF8.GetBytes($"\n  \"{Key}\": {value},"), .. json[start..]];
    }

    /// <summary>Replaces the values of some keys of the outermost object.</summary>
    private static (byte[] Json, bool Found) Replace(byte[] json, string value, params string[] keys)
    {
        var edited = new MemoryStream();
        var reader = new Utf8JsonReader(json);
        var copied = 0;
        while (reader.Read())
        {
            if (reader.TokenType != JsonTokenType.PropertyName || reader.CurrentDepth != 1 || !keys.Contains(reader.GetString())) continue;
            reader.Read();
            edited.Write(json, copied, (int)reader.TokenStartIndex - copied);
            edited.Write(Encoding.UTF8.GetBytes(value));
            copied = (int)reader.BytesConsumed;
        }
        edited.Write(json, copied, json.Length - copied);
        return (edited.ToArray(), copied > 0);
    }
}
