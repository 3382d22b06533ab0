using System.Text;

namespace Microsoft.ML.Nlft.Distributed;

/// <summary>Checks that the processes of a job agree on their inputs.</summary>
internal static class JobAgreement
{
    /// <summary>Throws on every process when a value differs between them. Collective.</summary>
    /// <param name="processes">The processes of the job.</param>
    /// <param name="what">The name of the value, for the message.</param>
    /// <param name="value">The value on this process; a fingerprint where the value is large.</param>
    /// <exception cref="NlftException">The value of a process differs from that of rank 0.</exception>
    public static void Require(Communicator processes, string what, string value)
    {
        if (processes.Size == 1) return;
        var all = processes.AllGather(Encoding.UTF8.GetBytes(value));
        var other = all.ToList().FindIndex(theirs => !theirs.AsSpan().SequenceEqual(all[0]));
        if (other < 0) return;
        throw new NlftException($"{what} of {processes.Places[other]}", $"\"{Encoding.UTF8.GetString(all[other])}\"",
            $"the same as on {processes.Places[0]}, \"{Encoding.UTF8.GetString(all[0])}\"",
            "Start every process with the same program, files and options.");
    }
}
