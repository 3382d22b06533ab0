using System.Globalization;
using System.Text.Json;
using Microsoft.ML.Nlft.Evaluation;

namespace Microsoft.ML.Nlft.Study.Real;

/// <summary>The tasks: three that ask for a form, two for a plan of one or two steps, two for facts or numbers.</summary>
internal static class RealTasks
{
    private static readonly string[] s_first = ["Anna", "Ben", "Clara", "David", "Emma", "Felix", "Grace", "Henry", "Iris", "Jack", "Kate", "Liam",
        "Mia", "Noah", "Olivia", "Paul", "Rosa", "Sam", "Tina", "Walter"];

    private static readonly string[] s_last = ["Adams", "Baker", "Clark", "Dixon", "Evans", "Foster", "Green", "Harris", "Irwin", "Jones", "King",
        "Lewis", "Moore", "Nolan", "Owens", "Parker", "Quinn", "Reed", "Stone", "Turner"];

    private static readonly string[] s_things = ["apples", "books", "coins", "pencils", "marbles", "stickers", "cards", "shells"];

    private static readonly string[] s_cities = ["Rome", "Paris", "London", "Berlin", "Madrid", "Vienna", "Lisbon", "Dublin", "Oslo", "Athens"];

    private static readonly string[] s_goods = ["phone", "kettle", "lamp", "chair", "backpack", "radio", "jacket", "camera", "bicycle", "printer"];

    private static readonly string[] s_praise = ["works perfectly", "was worth every cent", "is the best one I have had", "made my day",
        "is even better than I hoped", "looks and feels wonderful", "never let me down", "is a joy to use"];

    private static readonly string[] s_blame = ["broke after two days", "was a waste of money", "is the worst one I have had", "ruined my day",
        "is far worse than I feared", "looks and feels cheap", "let me down again and again", "is a pain to use"];

    private static readonly (string Large, string Small, int Factor)[] s_units = [("kilometres", "metres", 1000), ("hours", "minutes", 60),
        ("kilograms", "grams", 1000), ("days", "hours", 24), ("weeks", "days", 7), ("metres", "centimetres", 100), ("feet", "inches", 12),
        ("minutes", "seconds", 60)];

    /// <summary>Learning rates are searched on it alone.</summary>
    public static RealTask Development { get; } = new("more", Lack.Plan, "a things and b more", random =>
    {
        var (person, things, a, b) = (Of(random, s_first), Of(random, s_things), random.Next(2, 20), random.Next(2, 10));
        return Number($"{person} has {a} {things} and gets {b} more. How many {things} does {person} have now?", $"{a} + {b} = {a + b}.", a + b,
            (a - b, "Getting more means adding; this subtracts."));
    });

    /// <summary>All tasks of the tables.</summary>
    public static IReadOnlyList<RealTask> All { get; } =
    [
        new("review", Lack.Form, "a review, positive or negative, in one word", Review),
        new("city", Lack.Form, "the name of a city alone", City),
        new("json", Lack.Form, "an object of JSON with two keys", Json),
        new("gives", Lack.Plan, "a things, gives away b", Gives),
        new("packs", Lack.Plan, "a packs of b, gives away c", Packs),
        new("units", Lack.Fact, "hours in minutes and the like", Units),
        new("product", Lack.Fact, "a product", Product),
    ];

    private static RealProblem Review(Random random)
    {
        var (good, isPraise) = (Of(random, s_goods), random.Next(2) == 0);
        var (phrase, answer) = (Of(random, isPraise ? s_praise : s_blame), isPraise ? "positive" : "negative");
        return new($"Is this review positive or negative? Answer with one word.\n\nThe {good} {phrase}.", answer, response =>
        {
            var said = response.Trim().TrimEnd('.').ToLowerInvariant();
            if (said == answer) return null;
            if (said is "positive" or "negative") return $"\"{phrase}\" is no {said} remark.";
            return said.Contains(answer, StringComparison.Ordinal)
                ? "One word is asked for, and this says more than the one word." : "One word is asked for: positive or negative.";
        });
    }

    private static RealProblem City(Random random)
    {
        var (first, last, born) = (Of(random, s_first), Of(random, s_last), random.Next(s_cities.Length));
        var city = (born + 1 + random.Next(s_cities.Length - 1)) % s_cities.Length;
        var answer = s_cities[city];
        return new($"{first} {last} was born in {s_cities[born]} and lives in {answer} today. In which city does {first} {last} live? "
            + "Answer with the name of the city alone.", answer, response =>
        {
            if (response.Trim().TrimEnd('.') == answer) return null;
            return response.Contains(answer, StringComparison.OrdinalIgnoreCase) ? "The city is there, but its name must stand alone."
                : response.Contains(s_cities[born], StringComparison.OrdinalIgnoreCase) ? $"{s_cities[born]} is the city of birth."
                : "This does not name the city.";
        });
    }

    private static RealProblem Json(Random random)
    {
        var (name, age) = (Of(random, s_first), random.Next(18, 90));
        return new($"{name} is {age} years old. Give name and age as JSON.",
            $$"""{"name": "{{name}}", "age": {{age}}}""", response =>
        {
            try
            {
                using var read = JsonDocument.Parse(response);
                if (read.RootElement.ValueKind != JsonValueKind.Object) return "This is JSON, but not an object.";
                var keys = read.RootElement.EnumerateObject().ToDictionary(key => key.Name, key => key.Value.ToString());
                return keys.Count != 2 || !keys.ContainsKey("name") || !keys.ContainsKey("age") ? "The keys must be name and age, and no others."
                    : keys["name"] != name ? $"The name is {name}." : keys["age"] != Text(age) ? $"The age is {age}." : null;
            }
            catch (Exception e) when (e is JsonException or ArgumentException)
            {
                return response.Contains('{') ? "The object must stand alone, without text or a fence around it." : "This is not JSON.";
            }
        });
    }

    private static RealProblem Gives(Random random)
    {
        var (person, friend, things, a) = (Of(random, s_first), Of(random, s_last), Of(random, s_things), random.Next(6, 20));
        var b = random.Next(2, a - 2);
        return Number($"{person} has {a} {things} and gives {b} of them to Mr {friend}. How many {things} does {person} have left?",
            $"{a} - {b} = {a - b}.", a - b, (a + b, "Giving away means subtracting; this adds."),
            (b, "That is how many were given away; the question is what is left."));
    }

    private static RealProblem Packs(Random random)
    {
        var (person, things, a, b) = (Of(random, s_first), Of(random, s_things), random.Next(2, 6), random.Next(3, 8));
        var c = random.Next(2, a * b - 2);
        return Number($"{person} buys {a} packs of {b} {things} and gives away {c} of them. How many {things} are left?",
            $"{a} x {b} = {a * b}. {a * b} - {c} = {a * b - c}.", a * b - c, (a * b, "This stops after the product: what was given away is missing."),
            (a + b - c, "Packs are multiplied; this adds."), (a * b + c, "Giving away means subtracting; this adds."));
    }

    private static RealProblem Units(Random random)
    {
        var ((large, small, factor), a) = (s_units[random.Next(s_units.Length)], random.Next(2, 16));
        return Number($"How many {small} are {a} {large}?", $"There are {factor} {small} to one of the {large}. {a} x {factor} = {a * factor}.",
            a * factor, (a, $"The number of {large} must be multiplied by {factor}."));
    }

    private static RealProblem Product(Random random)
    {
        var (a, b) = (random.Next(3, 20), random.Next(2, 10));
        return Number($"What is {a} times {b}?", $"{a / 10 * 10} x {b} = {a / 10 * 10 * b}. {a % 10} x {b} = {a % 10 * b}. "
            + $"{a / 10 * 10 * b} + {a % 10 * b} = {a * b}.", a * b, (a + b, "Times means multiplying; this adds."));
    }

    /// <summary>A problem whose answer is a number; some wrong ones say which mistake was made.</summary>
    private static RealProblem Number(string question, string steps, int answer, params (int Number, string Fault)[] mistakes) =>
        new($"{question} Answer in one short sentence.", $"{steps} The answer is {answer}.", response =>
        {
            if (Is(response, answer)) return null;
            foreach (var (number, fault) in mistakes)
            {
                if (Is(response, number)) return fault;
            }
            return AnswerExtraction.FinalNumber(response) is { } found ? $"The result {found} is wrong." : "There is no number in the answer.";
        });

    private static bool Is(string response, int number) => ExactMatchEvaluator.Compare(response, Text(number)).Outcome == AnswerOutcome.Correct;

    private static string Of(Random random, string[] words) => words[random.Next(words.Length)];

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
}
