using System.Globalization;
using System.Reflection;
using System.Runtime.CompilerServices;

namespace Microsoft.ML.Nlft.Architecture;

/// <summary>
/// Lists what other assemblies see of a type, one line per fact: the type itself, what it derives from, and each public or protected member.
/// </summary>
internal static class PublicSurface
{
    private const BindingFlags Declared =
        BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly;

    private static readonly Dictionary<Type, string> Keywords = new()
    {
        [typeof(void)] = "void", [typeof(object)] = "object", [typeof(string)] = "string", [typeof(bool)] = "bool", [typeof(char)] = "char",
        [typeof(byte)] = "byte", [typeof(sbyte)] = "sbyte", [typeof(short)] = "short", [typeof(ushort)] = "ushort", [typeof(int)] = "int",
        [typeof(uint)] = "uint", [typeof(long)] = "long", [typeof(ulong)] = "ulong", [typeof(float)] = "float", [typeof(double)] = "double",
    };

    public static IEnumerable<string> Of(Assembly assembly) =>
        assembly.GetExportedTypes().SelectMany(Of).Distinct().Order(StringComparer.Ordinal);

    private static IEnumerable<string> Of(Type type)
    {
        var name = Name(type);
        yield return $"{name} : {Kind(type)}{Constraints(type.GetGenericArguments())}";
        for (var ancestor = type.BaseType; ancestor is not null && !IsRoot(ancestor); ancestor = ancestor.BaseType)
            yield return $"{name} : {Name(ancestor)}";
        if (!type.IsEnum && !type.IsSubclassOf(typeof(Delegate)))
        {
            foreach (var contract in type.GetInterfaces().Where(i => i.IsVisible)) yield return $"{name} : {Name(contract)}";
        }
        foreach (var member in type.GetMembers(Declared))
        {
            var line = member switch
            {
                FieldInfo field => Field(field),
                PropertyInfo property => Property(property),
                EventInfo { AddMethod: { } add } happening when IsSeen(add) => $"event {Name(happening.EventHandlerType!)} {happening.Name}",
                ConstructorInfo constructor when IsSeen(constructor) && !constructor.IsStatic =>
                    $"{Access(constructor)}new({Parameters(constructor.GetParameters())})",
                MethodInfo method when IsSeen(method) && !IsGenerated(method) => $"{Access(method)}{Signature(method)}",
                _ => null,
            };
            if (line is not null) yield return $"{name} . {line}";
        }
    }

    /// <summary>A type's name as in C#, with its namespace.</summary>
    public static string Name(Type type)
    {
        if (type.IsByRef) return Name(type.GetElementType()!) + "&";
        if (type.IsArray) return Name(type.GetElementType()!) + "[]";
        if (type.IsPointer) return Name(type.GetElementType()!) + "*";
        if (type.IsGenericParameter) return type.Name;
        if (Keywords.TryGetValue(type, out var keyword)) return keyword;
        if (Nullable.GetUnderlyingType(type) is { } underlying) return Name(underlying) + "?";
        var arguments = type.GetGenericArguments();
        var outer = type.DeclaringType is { } declaring ? Name(declaring) + "." : type.Namespace is { } space ? space + "." : "";
        var own = arguments.Skip(type.DeclaringType?.GetGenericArguments().Length ?? 0).ToArray();
        return outer + type.Name.Split('`')[0] + (own.Length == 0 ? "" : $"<{string.Join(", ", own.Select(Name))}>");
    }

    private static string Kind(Type type) => type switch
    {
        { IsEnum: true } => "enum",
        { IsInterface: true } => "interface",
        { IsValueType: true } => "struct",
        { IsAbstract: true, IsSealed: true } => "static class",
        { IsAbstract: true } => "abstract class",
        { IsSealed: true } => "sealed class",
        _ => "class",
    };

    private static bool IsRoot(Type type) => type == typeof(object) || type == typeof(ValueType) || type == typeof(Enum);

    private static bool IsSeen(MethodBase method) => method.IsPublic || method.IsFamily || method.IsFamilyOrAssembly;

    /// <summary>Accessors are shown with their property; what the compiler adds to records is not shown.</summary>
    private static bool IsGenerated(MethodInfo method) =>
        method.IsSpecialName && !method.Name.StartsWith("op_", StringComparison.Ordinal) ||
        method.IsDefined(typeof(CompilerGeneratedAttribute), false) ||
        method.DeclaringType == typeof(object) || method.DeclaringType == typeof(ValueType);

    private static string Access(MethodBase method)
    {
        var access = method.IsPublic ? "" : "protected ";
        if (method.IsStatic) return access + "static ";
        if (method.DeclaringType!.IsInterface || !method.IsVirtual || method.IsFinal || method.DeclaringType.IsSealed) return access;
        return access + (method.IsAbstract ? "abstract " : "virtual ");
    }

    private static string Signature(MethodInfo method)
    {
        var generic = method.GetGenericArguments();
        var arguments = generic.Length == 0 ? "" : $"<{string.Join(", ", generic.Select(Name))}>";
        return $"{Name(method.ReturnType)} {method.Name}{arguments}({Parameters(method.GetParameters())}){Constraints(generic)}";
    }

    private static string? Field(FieldInfo field)
    {
        if (!field.IsPublic && !field.IsFamily && !field.IsFamilyOrAssembly || field.IsSpecialName) return null;
        var modifiers = field switch
        {
            { IsLiteral: true } => "const ",
            { IsStatic: true, IsInitOnly: true } => "static readonly ",
            { IsStatic: true } => "static ",
            { IsInitOnly: true } => "readonly ",
            _ => "",
        };
        return $"{modifiers}{Name(field.FieldType)} {field.Name}{(field.IsLiteral ? " = " + Value(field.GetRawConstantValue()) : "")}";
    }

    private static string? Property(PropertyInfo property)
    {
        var accessors = property.GetAccessors(nonPublic: true).Where(IsSeen).OrderBy(a => a.Name, StringComparer.Ordinal).ToArray();
        if (accessors.Length == 0 || property.Name == "EqualityContract") return null;
        var shown = accessors.Select(a => (a.IsPublic ? "" : "protected ") + (a == property.GetMethod ? "get; " : IsInit(a) ? "init; " : "set; "));
        var index = property.GetIndexParameters();
        var access = accessors[0].IsPublic ? Access(accessors[0]) : Access(accessors[0]).Replace("protected ", "", StringComparison.Ordinal);
        var brackets = index.Length == 0 ? "" : $"[{Parameters(index)}]";
        return $"{access}{Name(property.PropertyType)} {property.Name}{brackets} {{ {string.Concat(shown)}}}";
    }

    private static bool IsInit(MethodInfo setter) => setter.ReturnParameter.GetRequiredCustomModifiers().Contains(typeof(IsExternalInit));

    private static string Parameters(IEnumerable<ParameterInfo> parameters) => string.Join(", ", parameters.Select(p =>
    {
        var by = !p.ParameterType.IsByRef ? "" : p.IsOut ? "out " : p.IsIn ? "in " : "ref ";
        var type = p.ParameterType.IsByRef ? p.ParameterType.GetElementType()! : p.ParameterType;
        var many = p.IsDefined(typeof(ParamArrayAttribute)) ? "params " : "";
        return $"{many}{by}{Name(type)} {p.Name}{(p.HasDefaultValue ? " = " + Value(p.RawDefaultValue) : "")}";
    }));

    private static string Value(object? value) => value switch
    {
        null => "default",
        string text => $"\"{text}\"",
        bool truth => truth ? "true" : "false",
        _ => Convert.ToString(value, CultureInfo.InvariantCulture)!,
    };

    private static string Constraints(Type[] parameters) => string.Concat(parameters.Where(p => p.IsGenericParameter).Select(p =>
    {
        var flags = p.GenericParameterAttributes;
        var parts = new List<string>();
        if (flags.HasFlag(GenericParameterAttributes.ReferenceTypeConstraint)) parts.Add("class");
        if (flags.HasFlag(GenericParameterAttributes.NotNullableValueTypeConstraint)) parts.Add("struct");
        parts.AddRange(p.GetGenericParameterConstraints().Where(c => c != typeof(ValueType)).Select(Name).Order(StringComparer.Ordinal));
        if (flags.HasFlag(GenericParameterAttributes.DefaultConstructorConstraint) && !parts.Contains("struct")) parts.Add("new()");
        return parts.Count == 0 ? "" : $" where {p.Name} : {string.Join(", ", parts)}";
    }));
}
