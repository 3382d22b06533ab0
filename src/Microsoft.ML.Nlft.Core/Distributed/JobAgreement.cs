using System.Text;

namespace Microsoft.ML.Nlft.Distributed;

/// <summary>Makes sure that the processes of a job mean the same.</summary>
internal static class JobAgreement
{
    /// <summary>Refuses, on every process alike, what is not the same on all of them. Collective.</summary>
    /// <param name="processes">The processes.</param>
    /// <param name="what">What must be the same.</param>
    /// <param name="value">What it is here: short, the fingerprint of something large.</param>
    /// <exception cref="NlftException">A process has another value than process 0.</exception>
    public static void Require(Communicator processes, string what, string value)
    {
        if (processes.Size == 1) return;
        var all = processes.AllGather(Encoding.UTF8.GetBytes(value));
        var other = all.ToList().FindIndex(theirs => !theirs.AsSpan().SequenceEqual(all[0]));
        if (other < 0) return;
        throw new NlftException($"{what} of {processes.Places[other]}", $"\"{Encoding.UTF8.GetString(all[other])}\"",
            $"the same as on {processes.Places[0]}, \"{Encoding.UTF8.GetString(all[0])}\"", "Start every process with the same program, files and options.");
    }
}
