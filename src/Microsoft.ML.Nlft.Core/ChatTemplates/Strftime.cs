using System.Globalization;

namespace Microsoft.ML.Nlft.ChatTemplates;

/// <summary>Formats dates as C's strftime does in the C locale.</summary>
internal static class Strftime
{
    public static string Format(string format, DateTimeOffset now, RenderBudget budget)
    {
        var result = new TextBuilder(budget);
        for (var i = 0; i < format.Length; i++)
        {
            if (format[i] != '%' || i + 1 == format.Length)
            {
                result.Append(format[i]);
                continue;
            }

            var unpadded = format[i + 1] == '-' && i + 2 < format.Length;
            i += unpadded ? 2 : 1;
            var text = Directive(format[i], now)
                ?? throw new TemplateError($"the date directive %{format[i]}", "%d, %m, %Y, %B, %H, %M or another of C's strftime");
            result.Append(unpadded && text.Length > 1 ? text.TrimStart('0', ' ') is { Length: > 0 } rest ? rest : "0" : text);
        }

        return result.ToString();
    }

    private static string? Directive(char directive, DateTimeOffset now)
    {
        return directive switch
        {
            'a' => Net("ddd"),
            'A' => Net("dddd"),
            'b' or 'h' => Net("MMM"),
            'B' => Net("MMMM"),
            'c' => $"{Net("ddd MMM")} {Directive('e', now)} {Net("HH:mm:ss yyyy")}",
            'C' => Number(now.Year / 100),
            'd' => Net("dd"),
            'D' or 'x' => Net("MM/dd/yy"),
            'e' => now.Day.ToString(CultureInfo.InvariantCulture).PadLeft(2),
            'f' => Net("ffffff"),
            'F' => Net("yyyy-MM-dd"),
            'G' => ISOWeek.GetYear(now.DateTime).ToString(CultureInfo.InvariantCulture),
            'H' => Net("HH"),
            'I' => Net("hh"),
            'j' => now.DayOfYear.ToString("000", CultureInfo.InvariantCulture),
            'm' => Net("MM"),
            'M' => Net("mm"),
            'n' => "\n",
            'p' => Net("tt"),
            'r' => Net("hh:mm:ss tt"),
            'R' => Net("HH:mm"),
            'S' => Net("ss"),
            't' => "\t",
            'T' or 'X' => Net("HH:mm:ss"),
            'u' => (now.DayOfWeek == DayOfWeek.Sunday ? 7 : (int)now.DayOfWeek).ToString(CultureInfo.InvariantCulture),
            'U' => Number((now.DayOfYear + 6 - (int)now.DayOfWeek) / 7),
            'V' => Number(ISOWeek.GetWeekOfYear(now.DateTime)),
            'w' => ((int)now.DayOfWeek).ToString(CultureInfo.InvariantCulture),
            'W' => Number((now.DayOfYear + 6 - (((int)now.DayOfWeek + 6) % 7)) / 7),
            'y' => Net("yy"),
            'Y' => now.Year.ToString(CultureInfo.InvariantCulture),
            'z' or 'Z' => "", // no time zone, as in Python's datetime.now()
            '%' => "%",
            _ => null,
        };

        string Net(string format) => now.ToString(format, CultureInfo.InvariantCulture);
        static string Number(int value) => value.ToString("00", CultureInfo.InvariantCulture);
    }
}
