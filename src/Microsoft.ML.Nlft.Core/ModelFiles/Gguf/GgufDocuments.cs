using Microsoft.ML.Nlft.Common;

namespace Microsoft.ML.Nlft.ModelFiles;

/// <summary>The documents that the metadata of a GGUF file stands for.</summary>
internal sealed class GgufDocuments(GgufModel model) : ModelDocuments
{
    public override string Path => model.Path;

    public override IEnumerable<string> Companions => GgufVocabulary.IsIn(model.Metadata) ? [Tokenizer, TokenizerConfiguration] : [];

    public override JsonPlace? Json(string name, string? whatItIs = null) => Read(name) is { } bytes
        ? JsonFile.Parse(bytes, new($"{model.Path}, as {name}", whatItIs ?? $"{name} of a model")
        {
            FileRemedy = GgufMetadata.Remedy, ValueRemedy = GgufMetadata.Remedy,
        }) : null;

    public override void Write(string name, Stream stream) => stream.Write(Read(name));

    public override void Dispose() => model.Dispose();

    private byte[]? Read(string name) => name switch
    {
        Configuration => GgufConfiguration.ToJson(model),
        Tokenizer when GgufVocabulary.IsIn(model.Metadata) => GgufVocabulary.ToTokenizerJson(model.Metadata),
        TokenizerConfiguration when GgufVocabulary.IsIn(model.Metadata) => GgufVocabulary.ToConfigurationJson(model.Metadata),
        _ => null,
    };
}
