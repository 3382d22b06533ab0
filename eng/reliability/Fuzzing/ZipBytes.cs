using System.IO.Compression;

namespace Microsoft.ML.Nlft.Reliability.Fuzzing;

/// <summary>Zip archives as lists of files. They carry a folder of several files as one input.</summary>
internal static class ZipBytes
{
    private static readonly DateTimeOffset s_written = new(2000, 1, 1, 0, 0, 0, TimeSpan.Zero); // the same files give the same bytes

    private static readonly string[] s_names = ["../outside", "/absolute", "a/../../outside", "..\\outside", "a/", "", ".", "..", "nlft.json",
        "a/b/c", "con", new('a', 300), "config.json", "adapter_model.bin", "a\0b", "\u00e9"];

    /// <summary>Returns the files of an archive in order.</summary>
    /// <exception cref="InvalidDataException">The bytes are no archive.</exception>
    public static List<(string Name, byte[] Bytes)> Read(byte[] archive)
    {
        using var zip = new ZipArchive(new MemoryStream(archive));
        return [.. zip.Entries.Select(entry =>
        {
            using var stream = entry.Open();
            var bytes = new MemoryStream();
            stream.CopyTo(bytes);
            return (entry.FullName, bytes.ToArray());
        })];
    }

    /// <summary>Returns an archive of these files.</summary>
    public static byte[] Write(IEnumerable<(string Name, byte[] Bytes)> files)
    {
        var bytes = new MemoryStream();
        using (var zip = new ZipArchive(bytes, ZipArchiveMode.Create, leaveOpen: true))
        {
            foreach (var (name, content) in files)
            {
                var entry = zip.CreateEntry(name, CompressionLevel.SmallestSize);
                entry.LastWriteTime = s_written;
                using var stream = entry.Open();
                stream.Write(content);
            }
        }
        return bytes.ToArray();
    }

    /// <summary>Changes one file as its format wants, renames, repeats, removes or blows up one, or changes the archive's bytes.</summary>
    public static byte[] Mutate(Draw random, byte[] archive)
    {
        if (random.Next(6) == 0) return Bytes.Mutate(random, archive);
        try
        {
            var files = Read(archive);
            if (files.Count == 0) return Bytes.Mutate(random, archive);
            var at = random.Next(files.Count);
            var (name, content) = files[at];
            switch (random.Next(12))
            {
                case 0: files[at] = (s_names[random.Next(s_names.Length)], content); break;
                case 1: files.RemoveAt(at); break;
                case 2: files.Add((random.Next(2) == 0 ? name : s_names[random.Next(s_names.Length)], content)); break;
                case 3: files[at] = (name, new byte[random.Next(1 << 20)]); break;
                default: files[at] = (name, MutateFile(random, name, content)); break;
            }
            return Write(files);
        }
        catch (Exception e) when (e is InvalidDataException or IOException or NotSupportedException or ArgumentException)
        {
            return Bytes.Mutate(random, archive);
        }
    }

    private static byte[] MutateFile(Draw random, string name, byte[] content) => Path.GetExtension(name) switch
    {
        ".json" => Json.Mutate(random, content),
        ".safetensors" => Framed.Mutate(random, content),
        ".jinja" => Words.Mutate(random, content),
        _ => Bytes.Mutate(random, content),
    };
}
