using System.Buffers;
using System.Collections.Concurrent;
using System.Text.RegularExpressions;
using Microsoft.ML.Nlft.Common;

namespace Microsoft.ML.Nlft.ModelFiles;

/// <summary>
/// The regular expressions of an adapter's settings, each compiled once. A key that is a plain name, as PEFT writes one for every layer, is compared
/// without compiling it.
/// </summary>
internal sealed class ModuleExpressions
{
    /// <summary>The most keys of one setting that are more than names: compiling one takes milliseconds.</summary>
    private const int MostKeys = 256;

    private static readonly SearchValues<char> s_ofNames =
        SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.\\");

    private readonly ConcurrentDictionary<string, Regex> _compiled = new(StringComparer.Ordinal);

    /// <summary>Whether an expression matches the whole path of a module.</summary>
    /// <param name="expression">The expression.</param>
    /// <param name="option">The setting that it comes from, for messages.</param>
    /// <param name="module">The path.</param>
    /// <exception cref="NlftException">The expression is wrong, or takes too long.</exception>
    public bool Matches(string expression, string option, string module)
    {
        try
        {
            return _compiled.GetOrAdd(expression, Compile).IsMatch(module);
        }
        catch (Exception fault) when (fault is ArgumentException or RegexMatchTimeoutException)
        {
            throw Refuse(expression, option, fault);
        }
    }

    /// <summary>Whether a key of a pattern matches the end of a module's path, whole names only: <c>(.*\.)?(key)</c>, as in PEFT.</summary>
    /// <param name="key">The key.</param>
    /// <param name="option">The setting that it comes from, for messages.</param>
    /// <param name="module">The path.</param>
    /// <exception cref="NlftException">The key is a wrong expression, or takes too long.</exception>
    public bool MatchesEnd(string key, string option, string module) =>
        IsName(key) && !module.Contains('\n', StringComparison.Ordinal) ? IsEnd(key, module) : Matches($"(.*\\.)?({key})", option, module);

    /// <summary>Checks the keys of a pattern.</summary>
    /// <exception cref="NlftException">A key is no regular expression, or too many are more than names.</exception>
    public static void RequireKeys(IEnumerable<string> keys, string option)
    {
        var count = 0;
        foreach (var key in keys)
        {
            if (IsName(key)) continue;
            if (++count > MostKeys)
            {
                throw new NlftException($"option {option}", $"more than {MostKeys} regular expressions",
                    $"at most {MostKeys}, and any number of names",
                    "Write names of modules, or join the expressions of the same value: (one|other).");
            }
            Require(key, option);
        }
    }

    /// <summary>Checks an expression without compiling it for use.</summary>
    /// <exception cref="NlftException">It is no regular expression.</exception>
    public static void Require(string expression, string option)
    {
        try
        {
            ClassSubtractions.Require(expression);
            _ = new Regex(Whole(expression), RegexOptions.CultureInvariant);
        }
        catch (ArgumentException fault)
        {
            throw Refuse(expression, option, fault);
        }
    }

    /// <summary>Whether a key consists of letters, digits, underscores, hyphens and dots, which may be escaped.</summary>
    private static bool IsName(string key)
    {
        if (key.Length == 0 || key.AsSpan().IndexOfAnyExcept(s_ofNames) >= 0) return false;
        for (var at = key.IndexOf('\\', StringComparison.Ordinal); at >= 0; at = key.IndexOf('\\', at + 1))
            if (at + 1 == key.Length || key[at + 1] != '.') return false;
        return true;
    }

    /// <summary>Compares from the end. A dot stands for any character, an escaped one for itself.</summary>
    private static bool IsEnd(string key, string module)
    {
        var left = module.Length;
        for (var at = key.Length - 1; at >= 0; at--)
        {
            if (left == 0) return false;
            var letter = module[--left];
            var isEscaped = key[at] == '.' && at > 0 && key[at - 1] == '\\';
            if (isEscaped || key[at] != '.')
            {
                if (letter != key[at]) return false;
            }
            if (isEscaped) at--;
        }
        return left == 0 || module[left - 1] == '.';
    }

    /// <summary>Compiles for the non-backtracking engine; expressions that it does not support, such as look-arounds, get a time limit.</summary>
    private static Regex Compile(string expression)
    {
        ClassSubtractions.Require(expression);
        try
        {
            return new Regex(Whole(expression), RegexOptions.CultureInvariant | RegexOptions.NonBacktracking);
        }
        catch (NotSupportedException)
        {
            return new Regex(Whole(expression), RegexOptions.CultureInvariant, TimeSpan.FromSeconds(1));
        }
    }

    private static string Whole(string expression) => $"\\A(?:{expression})\\z";

    private static NlftException Refuse(string expression, string option, Exception fault) => new($"option {option}",
        $"\"{expression}\" ({fault.Message})", "a regular expression for module paths", "Correct the expression.", fault);
}
