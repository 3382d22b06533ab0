using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Distributed;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.ModelFiles;
using Microsoft.ML.Nlft.Tokenization;

namespace Microsoft.ML.Nlft.Training;

/// <summary>Provides what a <see cref="TrainingRun"/> needs of an open model, such as <see cref="LocalModel"/>.</summary>
public interface ITrainableModel
{
    /// <summary>A display name.</summary>
    string Name { get; }

    /// <summary>The opened folder with the weights that training starts from.</summary>
    ModelFolder Folder { get; }

    /// <summary>The engine that loaded the network.</summary>
    IModelEngine Engine { get; }

    /// <summary>The network.</summary>
    ICausalLanguageModel Network { get; }

    /// <summary>The tokenizer.</summary>
    HuggingFaceTokenizer Tokenizer { get; }

    /// <summary>Encodes rows as token ids.</summary>
    PromptEncoder Prompts { get; }

    /// <summary>The processes of the job: with <see cref="FineTuneOptions.Distributed"/> they train the model together.</summary>
    Communicator Communicator { get; }

    /// <summary>Waits for exclusive use of the model, then trains it.</summary>
    /// <param name="processes">The processes that hold the same weights afterwards.</param>
    /// <param name="training">The training.</param>
    FineTuneResult Train(Communicator processes, Func<FineTuneResult> training);
}
