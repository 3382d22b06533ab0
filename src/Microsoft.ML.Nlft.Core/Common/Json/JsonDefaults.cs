using System.Reflection;
using System.Text.Json.Serialization.Metadata;

namespace Microsoft.ML.Nlft.Common;

/// <summary>
/// Keeps the defaults of init-only properties that a file does not have. Generated metadata would set them to the default of their type, so that
/// files of older versions would be read wrongly.
/// </summary>
internal static class JsonDefaults
{
    /// <summary>Returns the change to the metadata of a type, for <c>WithAddedModifier</c>.</summary>
    /// <param name="create">Creates the object that the properties of the file are set on; required ones may have any value.</param>
    public static Action<JsonTypeInfo> Of<T>(Func<T> create)
        where T : class => type =>
        {
            if (type is not JsonTypeInfo<T> info) return;
            info.CreateObject = create;
            foreach (var property in info.Properties)
                if (property.AttributeProvider is PropertyInfo { SetMethod: not null } member) property.Set = member.SetValue;
        };
}
