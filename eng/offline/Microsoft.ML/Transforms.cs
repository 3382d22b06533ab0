// Offline stand-in: one built-in transform, which copies a column. It answers what a pipeline's columns will be; it does not run.

using Microsoft.ML.Data;
using Microsoft.ML.Transforms;

namespace Microsoft.ML
{
    /// <summary>Where the built-in transforms hang.</summary>
    public sealed class TransformsCatalog
    {
        internal TransformsCatalog()
        {
        }
    }

    /// <summary>The built-in transforms.</summary>
    public static class TransformExtensionsCatalog
    {
        public static ColumnCopyingEstimator CopyColumns(this TransformsCatalog catalog, string outputColumnName, string inputColumnName)
        {
            ArgumentNullException.ThrowIfNull(catalog);
            return new ColumnCopyingEstimator(outputColumnName, inputColumnName);
        }
    }
}

namespace Microsoft.ML.Transforms
{
    /// <summary>Copies a column.</summary>
    public sealed class ColumnCopyingEstimator
    {
        private readonly string _output, _input;

        internal ColumnCopyingEstimator(string output, string input) => (_output, _input) = (output, input);

        public SchemaShape GetOutputSchema(SchemaShape inputSchema)
        {
            ArgumentNullException.ThrowIfNull(inputSchema);
            var columns = inputSchema.Where(column => column.Name != _output).ToList();
            var at = inputSchema.ToList().FindIndex(column => column.Name == _input);
            if (at < 0) throw new ArgumentOutOfRangeException(nameof(inputSchema), $"Could not find input column '{_input}'");
            var copied = inputSchema[at];
            columns.Add(new SchemaShape.Column(_output, copied.Kind, copied.ItemType, copied.IsKey));
            return new SchemaShape(columns);
        }
    }
}
