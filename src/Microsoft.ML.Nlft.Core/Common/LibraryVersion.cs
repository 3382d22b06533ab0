using System.Reflection;

namespace Microsoft.ML.Nlft.Common;

/// <summary>The version of this library.</summary>
internal static class LibraryVersion
{
    /// <summary>Gets the version with the commit it was built from, where the build knows it: <c>0.1.0+4f2c...</c>.</summary>
    public static string Full =>
        typeof(LibraryVersion).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion;

    /// <summary>Gets the version without the commit.</summary>
    public static string Short => Full.Split('+')[0];
}
