using Microsoft.ML.Nlft.ChatTemplates;
using Microsoft.ML.Nlft.Common;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Distributed;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Engines.Managed;
using Microsoft.ML.Nlft.ModelFiles;
using Microsoft.ML.Nlft.Tokenization;
using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft;

/// <summary>Opens folders: <see cref="LocalModel.Load"/>.</summary>
internal static class LocalModelLoader
{
    /// <summary>Opens a model folder, or a saved model with what it was saved with.</summary>
    public static LocalModel Load(string folder, LocalModelOptions options, CancellationToken cancellationToken)
    {
        OptionCheck.Require(options.BaseModelName is null || !string.IsNullOrWhiteSpace(options.BaseModelName), nameof(options.BaseModelName),
            options.BaseModelName, "the name of a model, or null", "Name it as on the hub: organisation/name.");
        var locator = options.Locator ?? new ModelLocator();
        if (!ModelLocator.IsPath(folder))
        {
            var found = locator.Find(folder);
            options = options with { BaseModelName = options.BaseModelName ?? folder };
            folder = found;
        }
        if (!LocalModelDescription.IsIn(folder)) return Open(folder, options, saved: null, cancellationToken);
        var saved = LocalModelDescription.Load(folder);
        var filled = options with
        {
            Adapter = options.Adapter ?? (saved.HasAdapter ? LoraAdapter.Load(folder) : null),
            Prompts = options.Prompts ?? saved.Settings.Prompts,
        };
        return Open(saved.FindBaseModel(folder, options.BaseModelFolder, locator), filled, saved, cancellationToken);
    }

    private static LocalModel Open(string path, LocalModelOptions options, LocalModelDescription? saved, CancellationToken cancellationToken)
    {
        var folder = ModelFolder.Open(path);
        try
        {
            var configuration = TokenizerConfiguration.Read(folder.Documents);
            var tokenizer = HuggingFaceTokenizer.Load(folder.Documents, folder.Configuration.VocabularySize, configuration);
            var prompts = PromptsOf(folder, tokenizer, ChatTemplate.Load(folder.Documents, configuration), options.Prompts ?? new());
            var communicator = Communicator.Resolve(shared: true, options.Communicator);
            var engine = options.Engine ?? new ManagedEngine();
            if (communicator.Size > 1) engine = engine.ForProcess(communicator.RankOnThisHost);
            RequireSameBase(options.SharedWith, folder, options.Trainable);
            if (options.SharedWith is null) MemoryCheck.RequireWeights(engine, folder, options.Trainable);
            if (options.Trainable != TrainableWeights.None) _ = folder.WeightFingerprint; // compute it now, from the files that are being read
            var network = engine.Load(Request(folder, options, communicator), cancellationToken);
            return new LocalModel(folder, network, tokenizer, prompts, engine, options.Adapter, communicator, options.SharedWith)
            {
                Description = saved,
                Name = options.BaseModelName ?? saved?.NameOfBase ?? ModelLocator.NameOf(folder.Path),
            };
        }
        catch
        {
            folder.Dispose();
            throw;
        }
    }

    private static void RequireSameBase(LocalModel? shared, ModelFolder folder, TrainableWeights trainable)
    {
        if (shared is null) return;
        ObjectDisposedException.ThrowIf(shared.IsDisposed, shared);
        OptionCheck.Require(trainable != TrainableWeights.All, nameof(LocalModelOptions.SharedWith), shared.Name,
            "null when all weights are trained", "Leave it out.");
        if (shared.Folder.IsAt(folder.Path) && shared.Network.Trainable != TrainableWeights.All) return;
        throw new NlftException(folder.Path, $"another base model than {shared.Folder.Path}, whose weights it should share",
            "the same base model, frozen", "Open it on its own.");
    }

    private static PromptEncoder PromptsOf(ModelFolder folder, HuggingFaceTokenizer tokenizer, ChatTemplate? template, PromptOptions options)
    {
        var fitting = options with { MaximumTokens = Math.Min(options.MaximumTokens, folder.Configuration.MaximumPositions) };
        return new PromptEncoder(tokenizer, template, fitting, folder.EndOfSequenceIds);
    }

    private static ModelLoadOptions Request(ModelFolder folder, LocalModelOptions options, Communicator communicator) => new()
    {
        Folder = folder,
        Adapter = options.Adapter,
        Lora = options is { Trainable: TrainableWeights.Lora, Adapter: null } ? options.Lora ?? new() : null,
        Trainable = options.Trainable,
        Seed = options.Seed,
        SharedWith = options.SharedWith?.Network,
        Processors = communicator.Size > 1 ? communicator.Processors : 0,
    };
}
