namespace Microsoft.ML.Nlft.Tokenization;

/// <summary>Finds all tokens that a text begins with. Nodes are numbers; 0 is the root.</summary>
internal sealed class PrefixTree
{
    private readonly Dictionary<long, int> _children = [];
    private readonly List<int> _ids = [-1];

    /// <summary>Adds a token.</summary>
    public void Add(string token, int id)
    {
        var node = 0;
        foreach (var unit in token)
        {
            if (Next(node, unit) is var next && next < 0)
            {
                next = _ids.Count;
                _children.Add(Key(node, unit), next);
                _ids.Add(-1);
            }

            node = next;
        }

        _ids[node] = id;
    }

    /// <summary>Returns the node of the text extended by one UTF-16 unit, or -1 if no token begins so.</summary>
    public int Next(int node, char unit) => _children.TryGetValue(Key(node, unit), out var next) ? next : -1;

    /// <summary>Returns the id of the token that ends at a node, or -1.</summary>
    public int IdAt(int node) => _ids[node];

    /// <summary>Gets the number of nodes.</summary>
    public int Count => _ids.Count;

    /// <summary>Returns the edges, those of nodes closer to the root first.</summary>
    public IEnumerable<(int Parent, char Unit, int Node)> EdgesByDepth()
    {
        var edges = new (int Parent, char Unit, int Node)[_ids.Count - 1];
        foreach (var (key, node) in _children) edges[node - 1] = ((int)(key >> 16), (char)key, node);
        var depths = new int[_ids.Count];
        foreach (var (parent, _, node) in edges) depths[node] = depths[parent] + 1; // a node has a higher number than its parent
        return edges.OrderBy(edge => depths[edge.Node]);
    }

    private static long Key(int node, char unit) => ((long)node << 16) | unit;
}
