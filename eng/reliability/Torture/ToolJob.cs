namespace Microsoft.ML.Nlft.Reliability.Torture;

/// <summary>A command of the tool that writes files, with the files that it writes beside its results.</summary>
/// <param name="Name">What it does.</param>
/// <param name="Command">
/// The command line. Words that begin with in/ or out/ are paths of the <see cref="Scene"/>; a word OLD|NEW is OLD when the command is to write the
/// files that are there before, and NEW when it is to replace them.
/// </param>
internal sealed record ToolJob(string Name, string Command)
{
    /// <summary>One job of each kind.</summary>
    public static IReadOnlyList<ToolJob> All { get; } =
    [
        new("train", "train --model in/model --data in/rows.jsonl --output out/tuned --lora-rank 1|2 --epochs 1 --batch-size 1 --threads 1 "
            + "--overwrite --checkpoint-folder out/old-checkpoints|out/checkpoints --checkpoint-steps 1 "
            + "--resume-from out/old-checkpoints|out/checkpoints"),
        new("train all weights", "train --weights all --model in/model --data in/row.jsonl --output out/whole --epochs 1 --threads 1 --overwrite "
            + "--learning-rate 1e-4|1e-3"),
        new("rounds", "rounds --model in/model --data in/rows.jsonl --output out/practised --folder out/old-rounds|out/rounds --lora-rank 1|2 "
            + "--rounds 2 --steps-per-round 1 --batch-size 1 --maximum-new-tokens 4 --threads 1 --overwrite"),
        new("generate", "generate --model in/model --data in/rows.jsonl --output out/answers.jsonl --maximum-new-tokens 4|8 --threads 1"),
        new("judge", "judge --data in/row.jsonl|in/rows.jsonl --output out/judged.jsonl"),
        new("judge with a model", "judge --model in/model --keep --data in/rows.jsonl|in/mixed.jsonl --output out/verdicts.jsonl --threads 1"),
        new("select", "select --data in/rows.jsonl --count 1|2 --output out/selected.jsonl"),
        new("export rows", "export --data in/row.jsonl|in/rows.jsonl --output out/rows.csv"),
        new("export GGUF", "export --adapter in/adapter-1|in/adapter-2 --gguf out/model.gguf --type q8_0 --overwrite"),
        new("export a GGUF adapter", "export --adapter in/adapter-1|in/adapter-2 --gguf-adapter out/adapter.gguf --overwrite"),
        new("merge", "merge --adapter in/adapter-1|in/adapter-2 --output out/merged --overwrite"),
        new("saliency", "saliency --model in/model --data in/rows.jsonl --rows 1|2 --output out/map.html --threads 1"),
    ];

    /// <summary>Returns the command line that writes the files to replace, or the one that replaces them.</summary>
    public IReadOnlyList<string> Arguments(Scene scene, bool old) => [.. Command.Split(' ').Select(word =>
    {
        if (word.Split('|') is [var before, var after]) word = old ? before : after;
        return word.StartsWith("in/", StringComparison.Ordinal) || word.StartsWith("out/", StringComparison.Ordinal) ? scene.PathOf(word) : word;
    })];

    /// <summary>Whether a file is one from which an interrupted job resumes: a checkpoint, the answers so far, or a round.</summary>
    public static bool IsForResuming(string name) => name.EndsWith(".partial", StringComparison.Ordinal)
        || name.Contains("rounds/", StringComparison.Ordinal)
        || (Path.GetFileName(name).StartsWith("step-", StringComparison.Ordinal) && name.Contains("checkpoints/", StringComparison.Ordinal));
}
