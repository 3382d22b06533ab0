using System.Text;
using System.Text.Json;
using Microsoft.ML.Nlft.Common;

namespace Microsoft.ML.Nlft.Data;

/// <summary>Recognizes, by its beginning, a file that holds something else than rows in its format, and says what.</summary>
internal static class ForeignFile
{
    private const int Beginning = 1 << 16;

    private static readonly (byte[] Bytes, string Found, string Remedy)[] s_kinds =
    [
        ([0xFF, 0xFE, 0, 0], "UTF-32 text", JsonFile.SaveAsUtf8), ([0, 0, 0xFE, 0xFF], "UTF-32 text", JsonFile.SaveAsUtf8),
        ([0xFF, 0xFE], "UTF-16 text", JsonFile.SaveAsUtf8), ([0xFE, 0xFF], "UTF-16 text", JsonFile.SaveAsUtf8),
        ([0x1F, 0x8B], "a gzip file", "Unpack it."), ([0x28, 0xB5, 0x2F, 0xFD], "a zstd file", "Unpack it."),
        ([.. "PK\x3\x4"u8], "a ZIP file or an Excel workbook", "Unpack it, or export the sheet as CSV in UTF-8."),
        ([0xD0, 0xCF, 0x11, 0xE0], "an Excel workbook", "Export the sheet as CSV in UTF-8."),
        ([.. "%PDF"u8], "a PDF file", "Name the file with the rows."),
        ([.. "version https://git-lfs"u8], "a Git LFS pointer in place of the file", "Fetch the file itself: git lfs pull."),
    ];

    /// <summary>Refuses a file that is not text in UTF-8 or not in its format. A file that cannot be opened is left to its reader.</summary>
    /// <param name="path">The file.</param>
    /// <param name="format">Its format; a .json file that is no list is <see cref="RowFormat.JsonLines"/>.</param>
    /// <exception cref="NlftException">The file begins as one of another kind.</exception>
    public static void Refuse(string path, RowFormat format)
    {
        var bytes = Read(path);
        foreach (var (start, found, remedy) in s_kinds)
            if (bytes.AsSpan().StartsWith(start)) throw new NlftException(path, found, "UTF-8 text", remedy);
        if (WithoutMark(bytes) is { } wide)
            throw new NlftException(path, $"{wide} text without a byte order mark", "UTF-8 text", JsonFile.SaveAsUtf8);
        var text = bytes.AsSpan(bytes.AsSpan().StartsWith((byte[])[0xEF, 0xBB, 0xBF]) ? 3 : 0).TrimStart(" \t\r\n"u8);
        if (IsMarkup(text))
            throw new NlftException(path, "an HTML or XML page", "rows", "Download the file itself instead of the page that shows it.");
        switch (format)
        {
            case RowFormat.Csv or RowFormat.Tsv:
                RefuseJson(path, text, format);
                RefuseSeparatorLine(path, text);
                break;
            case RowFormat.JsonLines or RowFormat.Gsm8k:
                RefuseLayout(path, text);
                break;
        }
    }

    private static byte[] Read(string path)
    {
        try
        {
            using var file = InputFile.Open(path, "rows");
            if (!file.CanSeek) return []; // a pipe can be read once
            var bytes = new byte[(int)Math.Min(Beginning, file.Length)];
            return bytes[..file.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false)];
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or NlftException)
        {
            return [];
        }
    }

    /// <summary>Names UTF-16 or UTF-32 by the zero bytes beside the first letters; null: there are none.</summary>
    private static string? WithoutMark(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length < 8) return null;
        var zeros = 0;
        for (var at = 0; at < 8; at++) zeros |= bytes[at] == 0 ? 1 << at : 0;
        return zeros switch
        {
            0b10101010 or 0b01010101 => "UTF-16",
            0b11101110 or 0b01110111 => "UTF-32",
            _ => null,
        };
    }

    private static bool IsMarkup(ReadOnlySpan<byte> text)
    {
        var start = Encoding.Latin1.GetString(text[..Math.Min(text.Length, 16)]);
        return ((string[])["<!doctype", "<html", "<head", "<?xml"]).Any(tag => start.StartsWith(tag, StringComparison.OrdinalIgnoreCase));
    }

    private static void RefuseJson(string path, ReadOnlySpan<byte> text, RowFormat format)
    {
        if (text.IsEmpty || text[0] is not ((byte)'{' or (byte)'[')) return;
        var isList = text[0] == '[';
        throw new NlftException(path, isList ? "a JSON list" : "JSON", $"a header line and rows ({(format == RowFormat.Csv ? "CSV" : "TSV")})",
            $"Name the file {(isList ? ".json" : ".jsonl")}, or name its format.");
    }

    /// <summary>Refuses the line that Excel writes, or wants, before the header.</summary>
    private static void RefuseSeparatorLine(string path, ReadOnlySpan<byte> text)
    {
        var end = text.IndexOfAny((byte)'\r', (byte)'\n');
        var line = Encoding.Latin1.GetString(text[..(end < 0 ? 0 : Math.Min(end, 20))]).Trim('"', ' ');
        if (line.Length is < 4 or > 5 || !line.StartsWith("sep=", StringComparison.OrdinalIgnoreCase)) return;
        var delimiter = line is [.., ',' or '='] ? "" : $" Name the delimiter (nlft: --delimiter \"{(line[^1] == '\t' ? "\\t" : $"{line[^1]}")}\").";
        throw new NlftException($"{path}, line 1", $"Excel's line {line}", "the column names", $"Delete the line.{delimiter}");
    }

    /// <summary>Refuses JSON that is not one object on each line, as far as the first line shows.</summary>
    private static void RefuseLayout(string path, ReadOnlySpan<byte> text)
    {
        if (text.IsEmpty) return;
        if (text[0] == '[' && text[1..].TrimStart(" \t\r\n"u8) is [(byte)'{' or (byte)']', ..])
        {
            throw new NlftException(path, "a JSON list", "one JSON object on each line",
                "Name the file .json if it is a list as NLFT publishes them, or write each object on a line of its own: jq -c '.[]'.");
        }
        var end = text.IndexOf((byte)'\n');
        if (text[0] != '{' || end < 0) return;
        var line = text[..end].TrimEnd(" \t\r"u8);
        switch (RestOfFirstObject(line))
        {
            case (null, false):
                throw new NlftException($"{path}, line 1", "an object that goes on over several lines", "one JSON object on each line",
                    "Write each object on a line of its own: jq -c .");
            case ((byte)'{', _):
                throw new NlftException($"{path}, line 1", "several objects on one line", "one JSON object on each line",
                    "Write each object on a line of its own: jq -c .");
            case ((byte)',', _):
                throw new NlftException($"{path}, line 1", "a comma after the object", "one JSON object on each line",
                    "Remove the commas between the lines.");
        }
    }

    /// <summary>
    /// Returns the first byte after the first object of a line; null with false: the object does not end on the line; null with true: nothing
    /// follows, or the line is not JSON, which its reader says better.
    /// </summary>
    private static (byte? Next, bool Known) RestOfFirstObject(ReadOnlySpan<byte> line)
    {
        var reader = new Utf8JsonReader(line, isFinalBlock: false, default);
        try
        {
            var depth = 0;
            while (reader.Read())
            {
                if (reader.TokenType is JsonTokenType.StartObject or JsonTokenType.StartArray) depth++;
                else if (reader.TokenType is JsonTokenType.EndObject or JsonTokenType.EndArray) depth--;
                if (depth > 0) continue;
                var rest = line[(int)reader.BytesConsumed..].TrimStart(" \t"u8);
                return (rest.IsEmpty ? null : rest[0], true);
            }
            // A text that is cut by a line break is another fault.
            var left = line[(int)reader.BytesConsumed..].TrimStart(" \t:,"u8);
            return (null, !left.IsEmpty && left[0] == '"');
        }
        catch (JsonException)
        {
            return (null, true);
        }
    }
}
