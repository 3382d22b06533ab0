namespace Microsoft.ML.Nlft.TinyModel.Problems;

/// <summary>The content of one problem: two people, one kind of thing and distinct numbers.</summary>
public sealed class Story
{
    private static readonly string[] Names =
    [
        "Ada", "Amir", "Bela", "Carl", "Dina", "Elif", "Emil", "Fay", "Gus", "Hana", "Igor", "Jill",
        "Kofi", "Lena", "Mona", "Nils", "Olga", "Pia", "Ravi", "Sara", "Tom", "Uma", "Vera", "Zoe",
    ];

    private static readonly string[] Objects =
    [
        "apples", "beads", "books", "buttons", "cards", "coins", "cookies", "cups", "eggs", "flowers",
        "lemons", "marbles", "nuts", "pears", "pens", "shells", "stamps", "stones", "tickets", "toys",
    ];

    private readonly Random _random;
    private readonly HashSet<int> _taken;

    /// <summary>Creates a story.</summary>
    /// <param name="random">Source of all draws.</param>
    /// <param name="taken">Numbers that the words imply, such as 2 for "twice"; no other number may equal them.</param>
    public Story(Random random, params int[] taken)
    {
        (_random, _taken) = (random, [.. taken]);
        var names = random.GetItems(Names, 1);
        Person = names[0];
        do Friend = random.GetItems(Names, 1)[0];
        while (Friend == Person);
        Things = random.GetItems(Objects, 1)[0];
    }

    /// <summary>Gets the main person.</summary>
    public string Person { get; }

    /// <summary>Gets another person.</summary>
    public string Friend { get; }

    /// <summary>Gets a plural noun, for example <c>apples</c>.</summary>
    public string Things { get; }

    /// <summary>Draws a number from <paramref name="minimum"/> to <paramref name="maximum"/> that is new and meets a condition.</summary>
    public int Number(int minimum, int maximum, Func<int, bool>? condition = null)
    {
        var choices = Enumerable.Range(minimum, maximum - minimum + 1)
            .Where(n => !_taken.Contains(n) && (condition is null || condition(n))).ToArray();
        if (choices.Length == 0) throw new InvalidOperationException($"No number from {minimum} to {maximum} is left for this story.");
        var number = choices[_random.Next(choices.Length)];
        _taken.Add(number);
        return number;
    }

    /// <summary>Draws one of several wordings.</summary>
    public string OneOf(params string[] wordings) => wordings[_random.Next(wordings.Length)];
}
