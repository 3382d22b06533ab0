using System.Net;
using Microsoft.ML.Nlft.Chat;

namespace Microsoft.ML.Nlft.Tool.Serving;

/// <summary>A model under its name in requests, with its queue.</summary>
internal sealed class ServedModel(string name, LocalModel model, LocalChatClientOptions options) : IDisposable
{
    public string Name => name;
    public LocalModel Model => model;
    public LocalChatClient Client { get; } = new(model, options with { ModelId = name });
    public ModelMetrics Metrics { get; } = new();

    /// <summary>Encodes a text as a prompt of its own.</summary>
    public int[] EncodeText(string text) => Client.EncodeText(text);

    /// <summary>Refuses a prompt that leaves no room within the limit of --prompt-maximum-tokens.</summary>
    /// <exception cref="NlftException">The prompt is too long.</exception>
    public int[] RequireRoom(int[] prompt)
    {
        var most = model.Prompts.Options.MaximumTokens;
        return prompt.Length < most ? prompt : throw new NlftException("the prompt", $"{prompt.Length} tokens",
            $"fewer than {most}, the most that prompt and answer may have together", "Shorten the prompt.");
    }

    public void Dispose()
    {
        Client.Dispose();
        model.Dispose();
    }
}

/// <summary>The models of a server, by name.</summary>
internal sealed class ServedModels(IReadOnlyList<ServedModel> models, DateTimeOffset started) : IDisposable
{
    public IReadOnlyList<ServedModel> All => models;

    /// <summary>Returns the model that a request names; a server with one model needs no name.</summary>
    /// <exception cref="ApiException">There is no such model, or the name is missing.</exception>
    public ServedModel Find(string? name)
    {
        if (name is null)
            return models.Count == 1 ? models[0] : throw ApiException.Invalid("model", $"'model' is missing; there are {Names()}.");
        return models.FirstOrDefault(model => model.Name == name)
            ?? throw ApiException.Invalid("model", $"There is no model '{name}' here; there {(models.Count == 1 ? "is" : "are")} {Names()}.",
                "model_not_found", HttpStatusCode.NotFound);
    }

    public ModelList List() => new("list", [.. models.Select(Entry)]);

    public ModelEntry Entry(ServedModel model) => new(model.Name, "model", started.ToUnixTimeSeconds(), "nlft");

    public void Dispose()
    {
        foreach (var model in models) model.Dispose();
    }

    private string Names() => string.Join(", ", models.Select(model => $"'{model.Name}'"));
}
