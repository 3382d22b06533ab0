using Microsoft.ML.Data;

namespace Microsoft.ML.Nlft.Tests.Trainers;

[TestClass]
public sealed class SchemaShapeTests
{
    private readonly MLContext _mlContext = new(seed: 1);

    private sealed class OddRow
    {
        public string Question { get; set; } = "";

        public string Judgment { get; set; } = "";

        public string Answer { get; set; } = "";

        [VectorType(3)]
        public string[] Words { get; set; } = [];

        [VectorType]
        public string[] Many { get; set; } = [];

        [KeyType(10)]
        public uint Key { get; set; }
    }

    [TestMethod]
    [DataRow("Words", "type Vector<String, 3>")]
    [DataRow("Many", "type Vector<String>")]
    [DataRow("Key", "type Key<UInt32, 0-9>")]
    public void Fit_VectorOrKeyColumn_IsNotText(string column, string found)
    {
        var rows = _mlContext.Data.LoadFromEnumerable(new List<OddRow>());
        var trainer = _mlContext.Nlft().Trainers.NaturalLanguageFineTune("no-such-model", responseColumnName: column);

        Assert.AreEqual(found, Assert.ThrowsExactly<NlftException>(() => trainer.Fit(rows)).Found);
    }

    [TestMethod]
    [DataRow("Words", "type Vector<String>")]
    [DataRow("Many", "type VariableVector<String>")]
    [DataRow("Key", "type Key<UInt32>")]
    [DataRow("Nothing", "no such column")]
    public void GetOutputSchema_UnusableColumn_IsRefusedBeforeFit(string column, string found)
    {
        var trainer = _mlContext.Nlft().Trainers.NaturalLanguageFineTune("no-such-model", responseColumnName: column);
        var shape = ShapeOf(_mlContext.Data.LoadFromEnumerable(new List<OddRow>()));

        var error = Assert.ThrowsExactly<NlftException>(() => trainer.GetOutputSchema(shape));

        Assert.AreEqual(found, error.Found);
        StringAssert.Contains(error.Remedy, "Question (String), Judgment (String), Answer (String)");
    }

    [TestMethod]
    public void GetOutputSchema_UsableColumns_HasOneTextColumnMore()
    {
        var shape = ShapeOf(_mlContext.Data.LoadFromEnumerable(new List<Row>()));
        var output = _mlContext.Nlft().Trainers.NaturalLanguageFineTune("no-such-model", outputColumnName: "Written").GetOutputSchema(shape);

        Assert.AreEqual(shape.Count + 1, output.Count);
        var written = output.Single(c => c.Name == "Written");
        Assert.AreEqual(TextDataViewType.Instance, written.ItemType);
        Assert.AreEqual(SchemaShape.Column.VectorKind.Scalar, written.Kind);
    }

    /// <summary>The shape that an estimator with nothing before it sees: a copy of a column does not change the others.</summary>
    private SchemaShape ShapeOf(IDataView view)
    {
        SchemaShape? seen = null;
        var pipeline = _mlContext.Transforms.CopyColumns("Answer", "Answer").Append(new ShapeProbe(shape => seen = shape));
        try
        {
            pipeline.Fit(view);
        }
        catch (ProbeException)
        {
        }
        return seen!;
    }

    private sealed class ProbeException : Exception;

    private sealed class ShapeProbe(Action<SchemaShape> see) : IEstimator<ITransformer>
    {
        public ITransformer Fit(IDataView input) => throw new ProbeException();

        public SchemaShape GetOutputSchema(SchemaShape inputSchema)
        {
            see(inputSchema);
            return inputSchema;
        }
    }
}
