using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Distributed;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.ModelFiles;
using Microsoft.ML.Nlft.Tokenization;

namespace Microsoft.ML.Nlft.Training;

/// <summary>A model that is open: what a <see cref="TrainingRun"/> needs of it. <see cref="LocalModel"/> is one.</summary>
public interface ITrainableModel
{
    /// <summary>A name for people.</summary>
    string Name { get; }

    /// <summary>The opened folder with the weights that training starts from.</summary>
    ModelFolder Folder { get; }

    /// <summary>The engine that loaded the network.</summary>
    IModelEngine Engine { get; }

    /// <summary>The network.</summary>
    ICausalLanguageModel Network { get; }

    /// <summary>The tokenizer.</summary>
    HuggingFaceTokenizer Tokenizer { get; }

    /// <summary>Rows to token ids.</summary>
    PromptEncoder Prompts { get; }

    /// <summary>The processes of the job: with <see cref="FineTuneOptions.Distributed"/> they train the model together.</summary>
    Communicator Communicator { get; }

    /// <summary>Waits for the model to be free, then trains it while nobody else uses it.</summary>
    /// <param name="processes">The processes that hold the same weights afterwards.</param>
    /// <param name="training">The training.</param>
    FineTuneResult Train(Communicator processes, Func<FineTuneResult> training);
}
