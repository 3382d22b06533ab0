namespace Microsoft.ML.Nlft.Data;

/// <summary>The file formats of <see cref="DataFile"/>.</summary>
public enum RowFormat
{
    /// <summary>
    /// This library's own JSON Lines, with Question, Response, Judgment, Answer, Instruction, Id and Score. Read and written; extension .jsonl.
    /// </summary>
    JsonLines,

    /// <summary>Comma-separated values with the same columns (RFC 4180). Read and written; extension .csv.</summary>
    Csv,

    /// <summary>Tab-separated values with the same columns and the same quoting. Read and written; extension .tsv.</summary>
    Tsv,

    /// <summary>GSM8K: JSON Lines with "question" and "answer", which must end in a number. Read only.</summary>
    Gsm8k,

    /// <summary>
    /// The published training files of NLFT: a JSON list of objects with "id", "instruction", "input" (the question; blank: the instruction is the
    /// question), "output" (the response), "judgment" (null when that is right), "answer" and, in some files, "score". Read and written;
    /// extension .json.
    /// </summary>
    Nlft,

    /// <summary>The judgment files of CUT (arXiv 2312.14591): as <see cref="Nlft"/>, without "answer". Read and written.</summary>
    Cut,

    /// <summary>Supervised fine-tuning on the rows' responses: JSON Lines with "prompt" and "completion". Written only.</summary>
    Sft,

    /// <summary>Supervised fine-tuning on the gold answers: JSON Lines with "prompt" and "completion". Written only.</summary>
    SftGold,

    /// <summary>
    /// ReFT (arXiv 2401.08967): a JSON list of objects with "item_id", "question", "answer_cot" (the gold answer) and "answer_value" (its final
    /// number). Written only.
    /// </summary>
    Reft,
}
