using System.Net;

namespace Microsoft.ML.Nlft.Tool.Serving;

/// <summary>Bounds the answers that run and wait at the same time.</summary>
/// <param name="most">The most answers.</param>
internal sealed class AnswerLimit(int most)
{
    private const int RetrySeconds = 2;

    private int _answers;

    /// <summary>Counts the answers of a request until the result is disposed.</summary>
    /// <exception cref="ApiException">There would be too many.</exception>
    public IDisposable Enter(int answers)
    {
        if (answers > most)
            throw ApiException.Invalid("n", $"The request asks for {answers} answers; this server writes at most {most} at the same time.");
        if (Interlocked.Add(ref _answers, answers) <= most) return new Place(this, answers);
        Interlocked.Add(ref _answers, -answers);
        throw new ApiException(HttpStatusCode.ServiceUnavailable, "server_error",
            $"The server has {most} answers to write already. Try again in {RetrySeconds} seconds.", null, "overloaded")
        {
            RetryAfter = RetrySeconds,
        };
    }

    private sealed class Place(AnswerLimit limit, int answers) : IDisposable
    {
        public void Dispose() => Interlocked.Add(ref limit._answers, -answers);
    }
}
