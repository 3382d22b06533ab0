using System.Reflection;
using Microsoft.ML.Data;

namespace Microsoft.ML.Nlft.Views;

/// <summary>Vectors: <see cref="VBuffer{T}.CopyTo(ref VBuffer{T})"/> into the consumer's own arrays.</summary>
internal static partial class ValueCopier
{
    static partial void ForVector(Type type, ref Delegate? copier)
    {
        if (!type.IsGenericType || type.GetGenericTypeDefinition() != typeof(VBuffer<>)) return;
        copier = typeof(ValueCopier).GetMethod(nameof(Vector), BindingFlags.Static | BindingFlags.NonPublic)!
            .MakeGenericMethod(type.GetGenericArguments()).CreateDelegate(typeof(ValueCopier<>).MakeGenericType(type));
    }

    private static void Vector<TItem>(in VBuffer<TItem> source, ref VBuffer<TItem> destination) => source.CopyTo(ref destination);
}
