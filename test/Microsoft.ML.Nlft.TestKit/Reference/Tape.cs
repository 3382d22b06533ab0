using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.TestKit;

/// <summary>A matrix in row-major order, and the gradient of a loss with respect to it.</summary>
/// <param name="rows">Number of rows.</param>
/// <param name="columns">Number of columns.</param>
/// <param name="isFrozen">Whether its gradient is not needed.</param>
internal sealed class Node(int rows, int columns, bool isFrozen = false)
{
    public int Rows => rows;
    public int Columns => columns;
    public bool IsFrozen => isFrozen;
    public double[] Values { get; init; } = new double[rows * columns];
    public double[] Gradient { get; } = isFrozen ? [] : new double[rows * columns];

    public Span<double> Row(int row) => Values.AsSpan(row * columns, columns);
    public Span<double> GradientRow(int row) => Gradient.AsSpan(row * columns, columns);
}

/// <summary>
/// Reverse-mode differentiation, written as plainly as possible. Every array is rounded when an operation has computed it, and so is its gradient
/// before it is passed on, as in an engine that stores bfloat16 between operations and sums in a wider type.
/// </summary>
internal sealed class Tape(Rounding rounding)
{
    private readonly Stack<Action> _backward = new();

    /// <summary>Runs the backward pass.</summary>
    public void Backward()
    {
        while (_backward.TryPop(out var step)) step();
    }

    /// <summary>The value of a trained parameter as products see it: rounded to the nearest.</summary>
    public Node Leaf(Node parameter)
    {
        var leaf = new Node(parameter.Rows, parameter.Columns) { Values = Array.ConvertAll(parameter.Values, rounding.ToNearest) };
        _backward.Push(() =>
        {
            rounding.Apply(leaf.Gradient);
            for (var i = 0; i < leaf.Gradient.Length; i++) parameter.Gradient[i] += leaf.Gradient[i];
        });
        return leaf;
    }

    /// <summary>y = x w^T, from x[N, in] and w[out, in].</summary>
    public Node Product(Node x, Node w) => Record(x.Rows, w.Rows, y =>
    {
        for (var n = 0; n < y.Rows; n++)
            for (var o = 0; o < y.Columns; o++) y.Row(n)[o] = Dot(x.Row(n), w.Row(o));
    }, y =>
    {
        for (var n = 0; n < y.Rows; n++)
        {
            for (var o = 0; o < y.Columns; o++)
            {
                var g = y.GradientRow(n)[o];
                if (g == 0) continue;
                AddScaled(x.GradientRow(n), w.Row(o), g);
                if (!w.IsFrozen) AddScaled(w.GradientRow(o), x.Row(n), g);
            }
        }
    });

    /// <summary>x + scale y; y may be one row that is added to all.</summary>
    public Node Add(Node x, Node y, double scale = 1) => Record(x.Rows, x.Columns, z =>
    {
        for (var i = 0; i < z.Values.Length; i++) z.Values[i] = x.Values[i] + scale * y.Values[i % y.Values.Length];
    }, z =>
    {
        AddScaled(x.Gradient, z.Gradient, 1);
        if (!y.IsFrozen) AddScaled(y.Gradient, z.Gradient, scale);
    });

    /// <summary>The product of every element with its partner; y may be one frozen row for all groups of its length.</summary>
    public Node Multiply(Node x, Node y) => Record(x.Rows, x.Columns, z =>
    {
        for (var i = 0; i < z.Values.Length; i++) z.Values[i] = x.Values[i] * y.Values[i % y.Values.Length];
    }, z =>
    {
        for (var i = 0; i < z.Values.Length; i++)
        {
            x.Gradient[i] += z.Gradient[i] * y.Values[i % y.Values.Length];
            if (!y.IsFrozen) y.Gradient[i] += z.Gradient[i] * x.Values[i];
        }
    });

    /// <summary>The activation of every element.</summary>
    public Node Activate(Node x, Activation activation) => activation switch
    {
        Activation.Silu => Map(x, v => (v * Sigmoid(v), Sigmoid(v) * (1 + v * (1 - Sigmoid(v))))),
        Activation.GeluTanh => Map(x, v =>
        {
            var (factor, cubic) = (Math.Sqrt(2 / Math.PI), 0.044715);
            var tanh = Math.Tanh(factor * (v + cubic * v * v * v));
            return (v * (1 + tanh) / 2, (1 + tanh) / 2 + v / 2 * (1 - tanh * tanh) * factor * (1 + 3 * cubic * v * v));
        }),
        Activation.Gelu => Map(x, v => (v * NormalDistribution(v), NormalDistribution(v) + v * Math.Exp(-v * v / 2) / Math.Sqrt(2 * Math.PI))),
        _ => throw new NotSupportedException($"{activation}"),
    };

    /// <summary>c tanh(x / c).</summary>
    public Node SoftCap(Node x, double c) => Map(x, v => (c * Math.Tanh(v / c), 1 - Math.Pow(Math.Tanh(v / c), 2)));

    /// <summary>A function of every element, given with its derivative.</summary>
    private Node Map(Node x, Func<double, (double Value, double Slope)> function) => Record(x.Rows, x.Columns, y =>
    {
        for (var i = 0; i < y.Values.Length; i++) y.Values[i] = function(x.Values[i]).Value;
    }, y =>
    {
        for (var i = 0; i < y.Values.Length; i++) x.Gradient[i] += y.Gradient[i] * function(x.Values[i]).Slope;
    });

    /// <summary>Some columns of x.</summary>
    public Node Columns(Node x, int[] columns) => Record(x.Rows, columns.Length, y =>
    {
        for (var n = 0; n < y.Rows; n++)
            for (var i = 0; i < columns.Length; i++) y.Row(n)[i] = x.Row(n)[columns[i]];
    }, y =>
    {
        for (var n = 0; n < y.Rows; n++)
            for (var i = 0; i < columns.Length; i++) x.GradientRow(n)[columns[i]] += y.GradientRow(n)[i];
    });

    /// <summary>
    /// The weights of a mixture of experts: softmax(x) of the k likeliest of a row, divided by their sum if asked, and 0 for the others.
    /// </summary>
    public Node Choose(Node x, int k, bool normalize)
    {
        return Record(x.Rows, x.Columns, y =>
        {
            for (var n = 0; n < y.Rows; n++)
            {
                var (p, chosen, sum) = Likeliest(n);
                foreach (var expert in chosen) y.Row(n)[expert] = p[expert] / sum;
            }
        }, y =>
        {
            for (var n = 0; n < y.Rows; n++)
            {
                var ((p, chosen, sum), gradient) = (Likeliest(n), new double[x.Columns]);
                foreach (var i in chosen)
                {
                    gradient[i] += y.GradientRow(n)[i] / sum;
                    if (!normalize) continue;
                    foreach (var j in chosen) gradient[j] -= y.GradientRow(n)[i] * p[i] / (sum * sum);
                }
                for (var i = 0; i < p.Length; i++)
                    for (var j = 0; j < p.Length; j++) x.GradientRow(n)[i] += gradient[j] * p[j] * ((i == j ? 1 : 0) - p[i]);
            }
        });

        (double[] P, int[] Chosen, double Sum) Likeliest(int row)
        {
            var p = Softmax(x.Row(row));
            int[] chosen = [.. Enumerable.Range(0, p.Length).OrderByDescending(expert => p[expert]).Take(k)];
            return (p, chosen, normalize ? chosen.Sum(expert => p[expert]) : 1);
        }
    }

    /// <summary>x - mean(x) over whole rows.</summary>
    public Node Centre(Node x) => Record(x.Rows, x.Columns, y =>
    {
        for (var n = 0; n < y.Rows; n++) Subtract(x.Row(n), y.Row(n));
    }, y =>
    {
        for (var n = 0; n < y.Rows; n++) Subtract(y.GradientRow(n), x.GradientRow(n));
    });

    /// <summary>x / sqrt(mean(x^2) + epsilon) over groups of <paramref name="size"/> elements.</summary>
    public Node Normalize(Node x, int size, double epsilon)
    {
        double[] inverses = [.. x.Values.Chunk(size).Select(group => 1 / Math.Sqrt(Dot(group, group) / size + epsilon))];
        return Record(x.Rows, x.Columns, y =>
        {
            for (var i = 0; i < y.Values.Length; i++) y.Values[i] = x.Values[i] * inverses[i / size];
        }, y =>
        {
            for (var g = 0; g < inverses.Length; g++)
            {
                ReadOnlySpan<double> values = x.Values.AsSpan(g * size, size), gradient = y.Gradient.AsSpan(g * size, size);
                var target = x.Gradient.AsSpan(g * size, size);
                AddScaled(target, gradient, inverses[g]);
                AddScaled(target, values, -Math.Pow(inverses[g], 3) * Dot(values, gradient) / size);
            }
        });
    }

    /// <summary>
    /// Rotates every pair (x_i, x_(i + d/2)) of the first d values of every head by its angle, which is given as cosine and sine, [N, d/2] each.
    /// </summary>
    public Node Rotate(Node x, double[] cosine, double[] sine, int headSize)
    {
        var half = cosine.Length / x.Rows;
        return Record(x.Rows, x.Columns, y => Turn(x.Values, y.Values, 1), y => Turn(y.Gradient, x.Gradient, -1));

        void Turn(double[] from, double[] to, int direction)
        {
            for (var n = 0; n < x.Rows; n++)
            {
                for (var head = n * x.Columns; head < (n + 1) * x.Columns; head += headSize)
                {
                    for (var i = 0; i < half; i++)
                    {
                        double a = from[head + i], b = from[head + half + i], c = cosine[n * half + i], s = direction * sine[n * half + i];
                        to[head + i] += a * c - b * s;
                        to[head + half + i] += b * c + a * s;
                    }
                    for (var i = 2 * half; i < headSize; i++) to[head + i] += from[head + i];
                }
            }
        }
    }

    /// <summary>
    /// Causal attention with grouped heads: row i sees the rows j with i - window &lt; j &lt;= i, or all up to i when the window is 0.
    /// With a soft cap c, scores become c tanh(score / c).
    /// </summary>
    public Node Attend(Node q, Node k, Node v, int headSize, int window, double? cap = null)
    {
        int heads = q.Columns / headSize, group = heads / (k.Columns / headSize);
        var scale = 1 / Math.Sqrt(headSize);
        var shares = new double[heads, q.Rows][]; // per head and row; each starts at the first visible row
        return Record(q.Rows, q.Columns, y =>
        {
            for (var h = 0; h < heads; h++)
            {
                for (var i = 0; i < q.Rows; i++)
                {
                    var first = First(i);
                    var scores = new double[i + 1 - first];
                    for (var j = first; j <= i; j++) scores[j - first] = Score(h, i, j);
                    var share = shares[h, i] = Softmax(scores);
                    rounding.Apply(share);
                    for (var j = first; j <= i; j++) AddScaled(Head(y.Row(i), h), Head(v.Row(j), h / group), share[j - first]);
                }
            }
        }, y =>
        {
            for (var h = 0; h < heads; h++)
            {
                for (var i = 0; i < q.Rows; i++)
                {
                    var (first, share, gradient) = (First(i), shares[h, i], new double[i + 1 - First(i)]);
                    for (var j = first; j <= i; j++)
                    {
                        gradient[j - first] = Dot(Head(y.GradientRow(i), h), Head(v.Row(j), h / group));
                        AddScaled(Head(v.GradientRow(j), h / group), Head(y.GradientRow(i), h), share[j - first]);
                    }
                    var mean = Dot(share, gradient);
                    for (var n = 0; n < share.Length; n++) gradient[n] = share[n] * (gradient[n] - mean) * Slope(Score(h, i, first + n));
                    rounding.Apply(gradient);
                    for (var j = first; j <= i; j++)
                    {
                        AddScaled(Head(q.GradientRow(i), h), Head(k.Row(j), h / group), scale * gradient[j - first]);
                        AddScaled(Head(k.GradientRow(j), h / group), Head(q.Row(i), h), scale * gradient[j - first]);
                    }
                }
            }
        });

        double Score(int head, int i, int j)
        {
            var score = scale * Dot(Head(q.Row(i), head), Head(k.Row(j), head / group));
            return cap is { } c ? c * Math.Tanh(score / c) : score;
        }

        double Slope(double score) => cap is { } c ? 1 - score / c * (score / c) : 1;

        int First(int row) => window == 0 ? 0 : Math.Max(0, row - window + 1);

        Span<double> Head(Span<double> row, int head) => row.Slice(head * headSize, headSize);
    }

    /// <summary>exp(z_i) / sum exp(z).</summary>
    public static double[] Softmax(ReadOnlySpan<double> z)
    {
        var logSum = LogSum(z);
        var shares = new double[z.Length];
        for (var i = 0; i < z.Length; i++) shares[i] = Math.Exp(z[i] - logSum);
        return shares;
    }

    /// <summary>log sum exp(z).</summary>
    public static double LogSum(ReadOnlySpan<double> z)
    {
        var (largest, sum) = (double.NegativeInfinity, 0.0);
        foreach (var value in z) largest = Math.Max(largest, value);
        foreach (var value in z) sum += Math.Exp(value - largest);
        return largest + Math.Log(sum);
    }

    /// <summary>target += values - mean(values).</summary>
    private static void Subtract(ReadOnlySpan<double> values, Span<double> target)
    {
        var mean = 0.0;
        foreach (var value in values) mean += value / values.Length;
        for (var i = 0; i < values.Length; i++) target[i] += values[i] - mean;
    }

    /// <summary>The series of Phi(x) - 1/2 (Marsaglia 2004); beyond 8 it is 0 or 1 to all digits that count here.</summary>
    private static double NormalDistribution(double x)
    {
        if (Math.Abs(x) > 8) return x > 0 ? 1 : 0;
        double sum = x, term = x;
        for (var i = 3; i < 300; i += 2) sum += term *= x * x / i;
        return 0.5 + sum * Math.Exp(-x * x / 2) / Math.Sqrt(2 * Math.PI);
    }

    private Node Record(int rows, int columns, Action<Node> forward, Action<Node> backward)
    {
        var y = new Node(rows, columns);
        forward(y);
        rounding.Apply(y.Values);
        _backward.Push(() =>
        {
            rounding.Apply(y.Gradient);
            backward(y);
        });
        return y;
    }

    private static double Sigmoid(double x) => 1 / (1 + Math.Exp(-x));

    private static double Dot(ReadOnlySpan<double> x, ReadOnlySpan<double> y)
    {
        var sum = 0.0;
        for (var i = 0; i < x.Length; i++) sum += x[i] * y[i];
        return sum;
    }

    private static void AddScaled(Span<double> target, ReadOnlySpan<double> x, double factor)
    {
        for (var i = 0; i < x.Length; i++) target[i] += factor * x[i];
    }
}
