using System.Globalization;

namespace Microsoft.ML.Nlft.Tokenization;

/// <summary>
/// Limits one call of a tokenizer, or one stream of a decoder: how far the steps of tokenizer.json may lengthen the text, and how long its regular
/// expressions may take together. Otherwise a small file could demand any amount of memory or time.
/// </summary>
/// <param name="length">Characters of the text; default 0.</param>
/// <param name="clock">The clock of the regular expressions; null: the system's.</param>
internal sealed class TextBudget(long length = 0, TimeProvider? clock = null)
{
    private const int MaximumFactor = 64, Allowance = 1 << 12;
    private const double Seconds = 5, SecondsPerCharacter = 1e-6;

    private readonly TimeProvider _clock = clock ?? TimeProvider.System;
    private long _given = length, _length = length;
    private double _seconds;

    /// <summary>Gets or sets the key in tokenizer.json of the steps that run, for messages.</summary>
    public string Step { get; set; } = "normalizer";

    /// <summary>Adds characters to the text.</summary>
    public void Add(int characters) => (_given, _length) = (_given + characters, _length + characters);

    /// <summary>Refuses a part of the text that would make the whole longer than 64 times what was given, plus 4,096 characters.</summary>
    /// <param name="before">Characters of the part as it is.</param>
    /// <param name="after">Characters that it is to have.</param>
    /// <exception cref="NlftException">The text would exceed the limit.</exception>
    public void Require(long before, long after)
    {
        var limit = Allowance + (MaximumFactor * _given);
        if (_length - before + after <= limit) return;
        throw new NlftException($"tokenizer.json, \"{Step}\"", $"{_length - before + after} characters made of a text of {_given}",
            $"at most {limit}", "Use the tokenizer.json that was published with the model.");
    }

    /// <summary>Says that a part of the text was replaced.</summary>
    public void Replace(long before, long after) => _length += after - before;

    /// <summary>Gets the time, to begin measuring.</summary>
    public long Now => _clock.GetTimestamp();

    /// <summary>Counts time that a regular expression took.</summary>
    /// <param name="since">When it began, or was counted last.</param>
    /// <param name="subject">The place of the expression.</param>
    /// <param name="characters">Characters that it searches.</param>
    /// <returns>The time, to measure on.</returns>
    /// <exception cref="NlftException">The regular expressions of the call have used up their time.</exception>
    public long Spend(long since, string subject, int characters)
    {
        var (now, limit) = (_clock.GetTimestamp(), Seconds + (SecondsPerCharacter * _given));
        _seconds += _clock.GetElapsedTime(since, now).TotalSeconds;
        return _seconds <= limit ? now : throw Late(subject, characters, $"all matches of a text within {Text(limit)} seconds");
    }

    /// <summary>Creates the exception for an expression that takes too long.</summary>
    public static NlftException Late(string subject, int characters, string expected, Exception? cause = null) =>
        new(subject, $"no end to matching a text of {characters} characters", expected,
            "Shorten the text, or use a model with another tokenizer.", cause);

    /// <summary>Formats seconds for a message.</summary>
    public static string Text(double seconds) => Math.Round(seconds, 3).ToString(CultureInfo.InvariantCulture);
}
