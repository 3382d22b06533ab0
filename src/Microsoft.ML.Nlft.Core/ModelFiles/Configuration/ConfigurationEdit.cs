using System.Runtime.InteropServices;
using System.Text;
using Microsoft.ML.Nlft.Common;

namespace Microsoft.ML.Nlft.ModelFiles;

/// <summary>Changes single values of a config.json; all other bytes stay as they are.</summary>
internal static class ConfigurationEdit
{
    /// <summary>Returns the file with another dtype (torch_dtype); a file without the key stays as it is.</summary>
    public static byte[] WithDataType(byte[] json, TensorType type) => Replace(json, $"\"{type.TorchName()}\"", "dtype", "torch_dtype").Json;

    /// <summary>Returns the file with another vocab_size.</summary>
    public static byte[] WithVocabularySize(byte[] json, int size) => Replace(json, FormattableString.Invariant($"{size}"), "vocab_size").Json;

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
        var root = JsonFile.Parse(json, new("config.json"));
        var text = JsonMarshal.GetRawUtf8Value(root.Value);
        var begin = Array.IndexOf(json, (byte)'{');
        var (edited, copied) = (new MemoryStream(), 0);
        foreach (var (_, place) in root.Members().Where(member => keys.Contains(member.Name)))
        {
            var old = JsonMarshal.GetRawUtf8Value(place.Value);
            text.Overlaps(old, out var offset);
            edited.Write(json.AsSpan(copied..(begin + offset)));
            edited.Write(Encoding.UTF8.GetBytes(value));
            copied = begin + offset + old.Length;
        }
        edited.Write(json.AsSpan(copied));
        return (edited.ToArray(), copied > 0);
    }
}
