using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.TestKit;

/// <summary>Lists calls that every engine refuses, on a model of <see cref="TinyModels"/> with 20 LoRA factors, and the messages.</summary>
public static class EngineRefusals
{
    public static IEnumerable<object[]> BadInput =>
    [
        [(Action<ICausalLanguageModel>)(model => _ = model.Score([new TokenSequence((int[])[1, TinyModels.Vocabulary], 1)])),
            "sequence 0 of the batch, token 2: found id 31; expected 0 to 30. Use the tokenizer that belongs to the model."],
        [(Action<ICausalLanguageModel>)(model => _ = model.Score([new TokenSequence((int[])[1, -1], 1)])),
            "sequence 0 of the batch, token 2: found id -1; expected 0 to 30. Use the tokenizer that belongs to the model."],
        [(Action<ICausalLanguageModel>)(model => _ = model.Score([new TokenSequence(new int[257], 1)])),
            "sequence 0 of the batch: found 257 tokens; expected 1 to 256 (max_position_embeddings). "
                + "Shorten the prompt or lower the limit of tokens."],
        [(Action<ICausalLanguageModel>)(model => model.StartDecoding([new int[256]], 1).Append([1])),
            "sequence 0: found 257 tokens; expected at most 256 (max_position_embeddings). Lower the limit of new tokens or shorten the prompt."],
        [(Action<ICausalLanguageModel>)(model => model.Import(ModelState.Weights, [new NamedTensor("x", [1], [0])])),
            "tensor x: found shape [1]; expected one of the 20 tensors that Export names. "
                + "Import what Export returned for the same model and adapter settings."],
        [(Action<ICausalLanguageModel>)(model => model.Import(ModelState.Weights, [.. model.Export(ModelState.Weights).Skip(1)])),
            "tensor model.layers.0.self_attn.q_proj.lora_A: found nothing; expected every tensor that Export names. "
                + "Import what Export returned for the same model and adapter settings."],
    ];
}
