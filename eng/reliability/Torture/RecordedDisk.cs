namespace Microsoft.ML.Nlft.Reliability.Torture;

/// <summary>
/// A disk that replays a record and says what may be on it after a loss of power. POSIX promises little: a file has the bytes of its last fsync, and
/// any part of those written since; a name in a folder leads to what it led to at the folder's last fsync, or to anything that it led to since,
/// whatever the other names do. A rename replaces its target in one step. So is an exchange of two names, one by one.
/// </summary>
internal sealed class RecordedDisk
{
    private readonly string _root;
    private readonly Node _top = new();
    private readonly Dictionary<ulong, Node> _files = [];

    /// <summary>Creates a disk on which files have been for long.</summary>
    /// <param name="root">The folder that was recorded.</param>
    /// <param name="files">The files, by their paths in it.</param>
    public RecordedDisk(string root, IReadOnlyDictionary<string, byte[]> files)
    {
        _root = root;
        foreach (var (name, bytes) in files)
        {
            var folder = _top;
            var parts = name.Split('/');
            foreach (var part in parts[..^1])
            {
                if (folder.Current(part) is not { } inner) folder.Names[part] = [inner = new()];
                folder = inner;
            }
            folder.Names[parts[^1]] = [new() { Durable = bytes }];
        }
    }

    /// <summary>Applies the next event.</summary>
    public void Apply(DiskEvent one)
    {
        switch (one.Kind)
        {
            case 'C': Point(one.Path, _files[one.Inode] = new() { Durable = [] }); break;
            case 'D': Point(one.Path, new()); break;
            case 'U': Point(one.Path, null); break;
            case 'W': _files[one.Inode].Changes.Add((one.Offset, one.Bytes)); break;
            case 'T': _files[one.Inode].Changes.Add((one.Offset, null)); break;
            case 'L': Point(one.Target, At(one.Path)); break;
            case 'R':
                Point(one.Target, At(one.Path));
                Point(one.Path, null);
                break;
            case 'X':
                var (first, second) = (At(one.Path), At(one.Target));
                Point(one.Path, second);
                Point(one.Target, first);
                break;
            case 'O' or 'Z' when At(one.Path) is { Durable: not null } file:
                _files[one.Inode] = file;
                if (one.Kind == 'Z') file.Changes.Add((0, null));
                break;
            case 'S' when At(one.Path) is { Durable: null } folder:
                foreach (var values in folder.Names.Values) values.RemoveRange(0, values.Count - 1);
                break;
            case 'S' when _files.TryGetValue(one.Inode, out var written):
                written.Durable = written.Contents(_ => true, bytes => bytes.Length);
                written.Changes.Clear();
                break;
        }
    }

    /// <summary>Returns the files after a loss of power at which everything that was not synchronized is lost.</summary>
    public Dictionary<string, byte[]> WithoutAll() => Files(_ => 0, _ => false, _ => 0);

    /// <summary>Returns the files after a loss of power at which the names are kept and the bytes that were not synchronized are lost.</summary>
    public Dictionary<string, byte[]> WithNamesAlone() => Files(values => values - 1, _ => false, _ => 0);

    /// <summary>Returns the files after a loss of power at which each name and each change is kept, partly kept or lost as drawn.</summary>
    public Dictionary<string, byte[]> Drawn(Random random) =>
        Files(random.Next, _ => random.Next(2) == 0, bytes => random.Next(2) == 0 ? bytes.Length : random.Next(bytes.Length + 1));

    private Dictionary<string, byte[]> Files(Func<int, int> value, Func<long, bool> keeps, Func<byte[], int> part)
    {
        var files = new Dictionary<string, byte[]>();
        Collect(_top, "");
        return files;

        void Collect(Node folder, string path)
        {
            foreach (var (name, values) in folder.Names.OrderBy(pair => pair.Key, StringComparer.Ordinal))
            {
                if (values[value(values.Count)] is not { } node) continue;
                if (node.Durable is null) Collect(node, $"{path}{name}/");
                else files[path + name] = node.Contents(keeps, part);
            }
        }
    }

    private Node? At(string path) =>
        Parts(path).Aggregate((Node?)_top, (folder, name) => folder is { Durable: null } ? folder.Current(name) : null);

    /// <summary>Lets a name lead to something else.</summary>
    private void Point(string path, Node? node)
    {
        var names = At(Path.GetDirectoryName(path)!)!.Names;
        var name = Path.GetFileName(path);
        if (!names.TryGetValue(name, out var values)) names[name] = values = [null];
        values.Add(node);
    }

    private string[] Parts(string path) => path.Length == _root.Length ? [] : path[(_root.Length + 1)..].Split('/');

    /// <summary>A folder, or a file with its durable bytes.</summary>
    private sealed class Node
    {
        /// <summary>What each name led to when the folder was last synchronized, and since.</summary>
        public Dictionary<string, List<Node?>> Names { get; } = [];

        /// <summary>The bytes when the file was last synchronized; null for a folder.</summary>
        public byte[]? Durable { get; set; }

        /// <summary>The bytes that were written since at a place, or the lengths that it got.</summary>
        public List<(long Place, byte[]? Bytes)> Changes { get; } = [];

        public Node? Current(string name) => Names.TryGetValue(name, out var values) ? values[^1] : null;

        /// <summary>Returns the bytes with some of the changes, in their order.</summary>
        /// <param name="keeps">Whether a change is kept.</param>
        /// <param name="part">How many of its bytes are.</param>
        public byte[] Contents(Func<long, bool> keeps, Func<byte[], int> part)
        {
            using var contents = new MemoryStream();
            contents.Write(Durable);
            foreach (var (place, bytes) in Changes.Where(change => keeps(change.Place)))
            {
                if (bytes is null) contents.SetLength(place);
                contents.Position = place;
                contents.Write(bytes.AsSpan(0, bytes is null ? 0 : part(bytes)));
            }
            return contents.ToArray();
        }
    }
}
