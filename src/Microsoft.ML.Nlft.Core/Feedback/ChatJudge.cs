using System.Text.RegularExpressions;
using Microsoft.Extensions.AI;
using Microsoft.ML.Nlft.Chat;
using Microsoft.ML.Nlft.Common;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Generation;

namespace Microsoft.ML.Nlft.Feedback;

/// <summary>
/// Judges with a chat client: any <see cref="IChatClient"/> of Microsoft.Extensions.AI, or the model itself (<see cref="OfModel"/>).
/// </summary>
/// <remarks>
/// Retries transient failures after a wait. The verdict is parsed (<see cref="Verdict.Parse"/>), never guessed. Thread-safe.
/// </remarks>
public sealed partial class ChatJudge : IResponseJudge, IDisposable
{
    private readonly IChatClient _client;
    private readonly ChatJudgeOptions _options;
    private readonly bool _ownsClient;

    /// <summary>Creates a judge.</summary>
    /// <param name="client">The client; the caller disposes it.</param>
    /// <param name="options">Options; null: the defaults.</param>
    /// <exception cref="NlftException">An option is out of range.</exception>
    public ChatJudge(IChatClient client, ChatJudgeOptions? options = null) : this(client, options ?? new(), ownsClient: false)
    {
    }

    private ChatJudge(IChatClient client, ChatJudgeOptions options, bool ownsClient)
    {
        ArgumentNullException.ThrowIfNull(client);
        options.Validate();
        (_client, _options, _ownsClient) = (client, options, ownsClient);
        var metadata = client.GetService(typeof(ChatClientMetadata)) as ChatClientMetadata;
        var settings = FormattableString.Invariant($"{options.Temperature} {options.MaximumOutputTokens}");
        var prompts = ResponseGenerator.IdentityOf(options.System, options.Template, settings);
        Name = $"chat judge {metadata?.DefaultModelId ?? client.GetType().Name}, prompts {prompts}";
    }

    /// <summary>Creates a judge that asks a local model. Rows that are judged at the same time form one batch.</summary>
    /// <param name="model">The model; the caller disposes it.</param>
    /// <param name="options">Options; null: the defaults.</param>
    /// <exception cref="NlftException">An option is out of range.</exception>
    public static ChatJudge OfModel(LocalModel model, ChatJudgeOptions? options = null)
    {
        options ??= new();
        options.Validate();
        var generation = new GenerationOptions { MaximumBatchSize = options.MaximumParallelism };
        var client = new LocalChatClient(model, new() { Generation = generation, TimeProvider = options.TimeProvider });
        return new ChatJudge(client, options, ownsClient: true);
    }

    /// <inheritdoc/>
    public string Name { get; }

    /// <inheritdoc/>
    public int MaximumParallelism => _options.MaximumParallelism;

    /// <inheritdoc/>
    public async Task<Verdict> JudgeAsync(DataRow row, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(row);
        ChatMessage[] messages = [new(ChatRole.System, _options.System), new(ChatRole.User, Fill(row))];
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                return Read(await AskAsync(messages, cancellationToken).ConfigureAwait(false));
            }
            catch (Exception error) when (error is not NlftException && _options.IsTransient(error))
            {
                cancellationToken.ThrowIfCancellationRequested();
                if (attempt == _options.MaximumAttempts)
                {
                    throw new NlftException($"{row.Source}, judgment",
                        $"{attempt} failed attempts, the last with {error.GetType().Name}: {error.Message}", "a reply",
                        "Try again later: a journal keeps the verdicts so far.", error);
                }
            }
            await Task.Delay(Delay(row, attempt), _options.TimeProvider, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Disposes the client of <see cref="OfModel"/>.</summary>
    public void Dispose()
    {
        if (_ownsClient) _client.Dispose();
    }

    private async Task<ChatResponse> AskAsync(ChatMessage[] messages, CancellationToken cancellationToken)
    {
        using var timeout = new CancellationTokenSource(_options.Timeout, _options.TimeProvider);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, timeout.Token);
        var request = new ChatOptions { Temperature = _options.Temperature, MaxOutputTokens = _options.MaximumOutputTokens };
        try
        {
            return await _client.GetResponseAsync(messages, request, either.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException error) when (timeout.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw new TimeoutException($"no reply within {_options.Timeout}", error);
        }
    }

    private static Verdict Read(ChatResponse response) =>
        response.FinishReason == ChatFinishReason.Length ? Verdict.Unparsable(response.Text, "cut off at the token limit")
        : response.FinishReason == ChatFinishReason.ContentFilter ? Verdict.Unparsable(response.Text, "withheld by a content filter")
        : Verdict.Parse(response.Text);

    /// <summary>Fills the template in one pass, so that a placeholder inside a text of the row stays as it is.</summary>
    private string Fill(DataRow row)
    {
        var (response, answer) = (row.Require(nameof(row.Response)), row.Require(nameof(row.Answer)));
        return Placeholder().Replace(_options.Template, match => match.Groups[1].Value switch
        {
            "question" => row.Question,
            "answer" => answer,
            "response" => response,
            _ => row.Instruction ?? "",
        });
    }

    [GeneratedRegex(@"\{(question|answer|response|instruction)\}", RegexOptions.CultureInvariant)]
    private static partial Regex Placeholder();

    /// <summary>Returns the wait after an attempt: half of it is fixed, half is random.</summary>
    private TimeSpan Delay(DataRow row, int attempt)
    {
        var whole = Math.Min(_options.MaximumDelay.TotalSeconds, _options.FirstDelay.TotalSeconds * Math.Pow(2, Math.Min(attempt - 1, 60)));
        var random = new SplitMix64(
            SplitMix64.Hash((ulong)_options.Seed, SplitMix64.Hash(row.Source), SplitMix64.Hash(row.Question), (ulong)attempt));
        return TimeSpan.FromSeconds(whole * (0.5 + 0.5 * random.NextDouble()));
    }
}
