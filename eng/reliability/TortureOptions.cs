namespace Microsoft.ML.Nlft.Reliability;

/// <summary>How often each way of interrupting a job is tried; 0 leaves it out.</summary>
/// <param name="Kills">Kills with SIGKILL.</param>
/// <param name="Disks">Runs on small disks.</param>
/// <param name="Changes">Weight files that are changed under a job.</param>
/// <param name="Calls">Calls to the file system of a kind that fail in a job, at most.</param>
/// <param name="Power">Losses of power during a job, beside two after each of its calls.</param>
/// <param name="Jobs">The jobs whose calls fail and during which the power is lost; empty: all.</param>
/// <param name="Steps">Training steps whose memory is watched.</param>
/// <param name="Limit">The time limit of the kills.</param>
/// <param name="Seed">The seed of the interruptions.</param>
internal sealed record TortureOptions(int Kills, int Disks, int Changes, int Calls, int Power, string[] Jobs, int Steps,
    TimeSpan Limit, int Seed);
