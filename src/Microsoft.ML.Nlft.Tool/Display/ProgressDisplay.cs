using Spectre.Console;

namespace Microsoft.ML.Nlft.Tool.Display;

/// <summary>Shows the progress of long work: a bar on a terminal; elsewhere a line at every 10 % and after half a minute of silence.</summary>
internal static class ProgressDisplay
{
    private const int Milestones = 10, BarWidth = 10, WidestLine = 80;
    private static readonly TimeSpan s_longestSilence = TimeSpan.FromSeconds(30);

    /// <summary>Runs work that reports the share done, in [0, 1], and a short text.</summary>
    public static T Run<T>(ToolConsole console, string title, Func<IProgress<(double Share, string Words)>, T> work) =>
        console.ErrorIsTerminal ? RunWithBar(console, title, work) : work(new Lines(console, title));

    /// <summary>Runs asynchronous work in the same way.</summary>
    public static async Task<T> RunAsync<T>(ToolConsole console, string title, Func<IProgress<(double Share, string Words)>, Task<T>> work) =>
        console.ErrorIsTerminal
            ? await console.Messages.Progress().AutoClear(false).Columns(Columns())
                .StartAsync(context => work(new Bar(context.AddTask(Markup.Escape(title), maxValue: 1), title, WidthOfWords(console))))
            : await work(new Lines(console, title));

    private static ProgressColumn[] Columns() =>
    [
        new TaskDescriptionColumn { Alignment = Justify.Left }, new ProgressBarColumn { Width = BarWidth }, new PercentageColumn(),
        new RemainingTimeColumn(),
    ];

    private static T RunWithBar<T>(ToolConsole console, string title, Func<IProgress<(double Share, string Words)>, T> work) =>
        console.Messages.Progress().AutoClear(false)
            .Columns(Columns())
            .Start(context => work(new Bar(context.AddTask(Markup.Escape(title), maxValue: 1), title, WidthOfWords(console))));

    /// <summary>
    /// Returns the columns that bar, percentage, remaining time and the gaps between them leave for the words: a terminal may be narrower than its
    /// output that is redirected seems, so a line takes 80 columns at most.
    /// </summary>
    private static int WidthOfWords(ToolConsole console) =>
        Math.Max(Math.Min(console.Width, WidestLine) - BarWidth - "100%".Length - "00:00:00".Length - 6, 1);

    /// <summary>Joins as many parts of a text as fit into a width: parts are separated by commas, and the first ones matter most.</summary>
    internal static string Fit(string words, int width)
    {
        while (words.Length > width && words.LastIndexOf(", ", StringComparison.Ordinal) is >= 0 and var last) words = words[..last];
        return words.Length <= width ? words : words[..width];
    }

    private sealed class Bar(ProgressTask task, string title, int width) : IProgress<(double Share, string Words)>
    {
        public void Report((double Share, string Words) value)
        {
            task.Description = Markup.Escape(Fit($"{title}: {value.Words}", width));
            task.Value = value.Share;
        }
    }

    private sealed class Lines(ToolConsole console, string title) : IProgress<(double Share, string Words)>
    {
        private int _milestone = -1;
        private long _last = console.Time.GetTimestamp();

        public void Report((double Share, string Words) value)
        {
            var milestone = (int)(value.Share * Milestones + 1e-9);
            if (milestone == _milestone && console.Time.GetElapsedTime(_last) < s_longestSilence) return;
            (_milestone, _last) = (milestone, console.Time.GetTimestamp());
            console.Error.WriteLine(FormattableString.Invariant($"{title}: {value.Share * 100,3:0} %, {value.Words}"));
        }
    }
}
