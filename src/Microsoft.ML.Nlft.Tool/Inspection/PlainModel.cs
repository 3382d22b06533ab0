using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.Tool.Inspection;

/// <summary>
/// A Llama decoder in double precision, written straight from the formulas: the reference for the engine's self-test. It covers the self-test's
/// architecture: grouped heads, no biases, default rotary embedding, tied output.
/// </summary>
internal sealed class PlainModel(ModelFolder folder)
{
    private readonly ModelConfiguration _c = folder.Configuration;

    /// <summary>Computes log p of every token after the first, given the tokens before it.</summary>
    public double[] LogProbabilities(int[] tokens)
    {
        var embedding = Matrix("model.embed_tokens.weight", _c.VocabularySize, _c.HiddenSize);
        double[][] x = [.. tokens.Select(token => embedding[token])];
        for (var layer = 0; layer < _c.LayerCount; layer++)
        {
            var path = $"model.layers.{layer}.";
            var attended = Attention(path + "self_attn.", Norm(path + "input_layernorm.weight", x));
            x = Add(x, attended);
            x = Add(x, FeedForward(path + "mlp.", Norm(path + "post_attention_layernorm.weight", x)));
        }
        var logits = Multiply(Norm("model.norm.weight", x), embedding);
        return [.. Enumerable.Range(1, tokens.Length - 1).Select(t => logits[t - 1][tokens[t]] - LogSum(logits[t - 1]))];
    }

    /// <summary>softmax(q k^T / sqrt(d)) v per head, over the keys at or before the query; then o_proj.</summary>
    private double[][] Attention(string path, double[][] x)
    {
        int d = _c.HeadSize, group = _c.HeadCount / _c.KeyValueHeadCount;
        var q = Rotate(Multiply(x, Matrix(path + "q_proj.weight", _c.HeadCount * d, _c.HiddenSize)));
        var k = Rotate(Multiply(x, Matrix(path + "k_proj.weight", _c.KeyValueHeadCount * d, _c.HiddenSize)));
        var v = Multiply(x, Matrix(path + "v_proj.weight", _c.KeyValueHeadCount * d, _c.HiddenSize));
        double[][] heads = [.. x.Select(_ => new double[_c.HeadCount * d])];
        for (var t = 0; t < x.Length; t++)
        {
            for (var head = 0; head < _c.HeadCount; head++)
            {
                var (first, shared) = (head * d, head / group * d);
                double[] scores =
                    [.. Enumerable.Range(0, t + 1).Select(s => Enumerable.Range(0, d).Sum(i => q[t][first + i] * k[s][shared + i]) / Math.Sqrt(d))];
                var logSum = LogSum(scores);
                for (var s = 0; s <= t; s++)
                    for (var i = 0; i < d; i++) heads[t][first + i] += Math.Exp(scores[s] - logSum) * v[s][shared + i];
            }
        }
        return Multiply(heads, Matrix(path + "o_proj.weight", _c.HiddenSize, _c.HeadCount * d));
    }

    /// <summary>down(silu(gate(x)) * up(x)).</summary>
    private double[][] FeedForward(string path, double[][] x)
    {
        var gate = Multiply(x, Matrix(path + "gate_proj.weight", _c.IntermediateSize, _c.HiddenSize));
        var up = Multiply(x, Matrix(path + "up_proj.weight", _c.IntermediateSize, _c.HiddenSize));
        double[][] middle = [.. gate.Zip(up, (g, u) => g.Zip(u, (a, b) => a / (1 + Math.Exp(-a)) * b).ToArray())];
        return Multiply(middle, Matrix(path + "down_proj.weight", _c.HiddenSize, _c.IntermediateSize));
    }

    /// <summary>Rotates the pair (i, i + d/2) of every head by the angle position x theta^(-2i/d).</summary>
    private double[][] Rotate(double[][] x)
    {
        int d = _c.HeadSize, half = d / 2;
        return [.. x.Select((row, position) => row.Select((value, i) =>
        {
            var (start, offset) = (i / d * d, i % d);
            var angle = position * Math.Pow(_c.Rope.Theta, -2.0 * (offset % half) / d);
            var other = offset < half ? -row[start + offset + half] : row[start + offset - half];
            return value * Math.Cos(angle) + other * Math.Sin(angle);
        }).ToArray())];
    }

    /// <summary>x / sqrt(mean(x^2) + epsilon) * weight.</summary>
    private double[][] Norm(string name, double[][] x)
    {
        var weight = folder.Tensor(name, _c.HiddenSize).ToArray();
        return [.. x.Select(row =>
        {
            var scale = 1 / Math.Sqrt(row.Average(value => value * value) + _c.NormEpsilon);
            return row.Select((value, i) => value * scale * weight[i]).ToArray();
        })];
    }

    private double[][] Matrix(string name, int rows, int columns) =>
        [.. folder.Tensor(name, rows, columns).ToArray().Chunk(columns).Select(row => Array.ConvertAll(row, value => (double)value))];

    /// <summary>x w^T.</summary>
    private static double[][] Multiply(double[][] x, double[][] w) =>
        [.. x.Select(row => w.Select(outputs => outputs.Zip(row, (a, b) => a * b).Sum()).ToArray())];

    private static double[][] Add(double[][] x, double[][] y) => [.. x.Zip(y, (a, b) => a.Zip(b, (p, q) => p + q).ToArray())];

    private static double LogSum(double[] values)
    {
        var max = values.Max();
        return max + Math.Log(values.Sum(value => Math.Exp(value - max)));
    }
}
