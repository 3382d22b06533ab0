using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Distributed;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft;

/// <summary>Options for opening a <see cref="LocalModel"/>.</summary>
public sealed record LocalModelOptions
{
    /// <summary>
    /// The engine; null: the managed CPU engine. Processes of <see cref="Communicator"/> on one machine divide its processors among them.
    /// </summary>
    public IModelEngine? Engine { get; init; }

    /// <summary>An adapter to apply, or null: that of a saved model, else none.</summary>
    public LoraAdapter? Adapter { get; init; }

    /// <summary>
    /// The base model of a saved model, as a folder or a name; null: the one that the saved model names, looked up by
    /// <see cref="LocalModelDescription.FindBaseModel"/>.
    /// </summary>
    public string? BaseModelFolder { get; init; }

    /// <summary>
    /// The name of the base model in files that are meant for publishing (adapter_config.json, the card): <c>organisation/name</c> on the hub. Null:
    /// the name that the saved model keeps, the hub name that the model was found by, or the folder's own name.
    /// </summary>
    public string? BaseModelName { get; init; }

    /// <summary>
    /// A model of the same base model and kind of engine, whose frozen weights this one uses too, so that several adapters need the base model's
    /// memory once. Calls of the two are serialized; once both are loaded, either may be disposed first. Null (default): weights of its own.
    /// </summary>
    public LocalModel? SharedWith { get; init; }

    /// <summary>Finds models by name; null: in the folders of NLFT_MODELS and in the Hugging Face cache.</summary>
    public ModelLocator? Locator { get; init; }

    /// <summary>The fresh adapter to create when training LoRA without <see cref="Adapter"/>; null: the published settings.</summary>
    public LoraConfiguration? Lora { get; init; }

    /// <summary>The weights that can be trained. Default: none.</summary>
    public TrainableWeights Trainable { get; init; }

    /// <summary>
    /// Wording and limits of the prompts, with no more tokens than the model has positions; null: those of a saved model, else the defaults.
    /// </summary>
    public PromptOptions? Prompts { get; init; }

    /// <summary>Seeds a fresh adapter. Default 42.</summary>
    public int Seed { get; init; } = 42;

    /// <summary>
    /// The processes that share the work on the model: training, and generating responses. Default null: those that an MPI launcher (mpirun, srun)
    /// started, or this process alone (<see cref="Distributed.Communicator.Current"/>).
    /// </summary>
    public Communicator? Communicator { get; init; }
}
