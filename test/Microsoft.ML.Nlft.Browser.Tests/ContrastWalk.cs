namespace Microsoft.ML.Nlft.Browser;

/// <summary>
/// Computes the contrast of every visible text of a page by the rule of WCAG 2.2 (success criterion 1.4.3, level AA): 4.5 for text, 3 for large text.
/// </summary>
/// <remarks>
/// Colours are composed as drawn: transparent backgrounds over those of the ancestors, every colour of a gradient, opacity, the fill of SVG texts,
/// generated content and placeholders. No element is exempt.
/// </remarks>
internal static class ContrastWalk
{
    private const string Script = """
        const parse = text => {
            const parts = text.match(/[\d.]+/g).map(Number);
            return { rgb: parts.slice(0, 3), alpha: parts[3] ?? 1 };
        };
        const over = (top, alpha, below) => below.map((value, i) => top[i] * alpha + value * (1 - alpha));
        const linear = part => part / 255 <= 0.04045 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4;
        const luminance = rgb => 0.2126 * linear(rgb[0]) + 0.7152 * linear(rgb[1]) + 0.0722 * linear(rgb[2]);
        const ratio = (a, b) => (Math.max(luminance(a), luminance(b)) + 0.05) / (Math.min(luminance(a), luminance(b)) + 0.05);
        const known = new Map([[null, [[255, 255, 255]]]]);
        function backgrounds(element) {
            if (known.has(element)) return known.get(element);
            const style = getComputedStyle(element), own = parse(style.backgroundColor);
            const plain = backgrounds(element.parentElement).map(below => over(own.rgb, own.alpha, below));
            const inks = (style.backgroundImage.match(/rgba?\([^)]*\)/g) ?? []).map(parse);
            const all = [...plain, ...plain.flatMap(below => inks.map(ink => over(ink.rgb, ink.alpha, below)))];
            known.set(element, all);
            return all;
        }
        function opacity(element) {
            return element === null ? 1 : Number(getComputedStyle(element).opacity) * opacity(element.parentElement);
        }
        const failures = [];
        let texts = 0;
        function check(element, style, text) {
            texts++;
            const ink = parse(element instanceof SVGElement ? style.fill : style.color);
            const size = parseFloat(style.fontSize), large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
            const alpha = ink.alpha * opacity(element);
            const lowest = Math.min(...backgrounds(element).map(below => ratio(over(ink.rgb, alpha, below), below)));
            if (lowest < (large ? 3 : 4.5)) failures.push(`${element.tagName}.${element.getAttribute('class') ?? ''}#${element.id} `
                + `"${text.trim().slice(0, 30)}": ${lowest.toFixed(2)}`);
        }
        for (const element of document.body.getElementsByTagName('*')) {
            if (['SCRIPT', 'STYLE', 'NOSCRIPT'].includes(element.tagName) || !element.checkVisibility({ visibilityProperty: true })) continue;
            const style = getComputedStyle(element), own = [...element.childNodes].filter(node => node.nodeType === Node.TEXT_NODE);
            const isField = element.matches('input:not([type=range], [type=checkbox]), textarea');
            const text = own.map(node => node.data).join('') || (isField ? element.value : '');
            if (text.trim() !== '') check(element, style, text);
            if (element.placeholder && element.value === '') check(element, getComputedStyle(element, '::placeholder'), element.placeholder);
            for (const part of ['::before', '::after']) {
                const generated = getComputedStyle(element, part);
                if (!['none', 'normal', '""'].includes(generated.content)) check(element, generated, generated.content);
            }
        }
        return { texts, failures };
        """;

    /// <summary>Asserts that every text of the page can be read, and that there are at least <paramref name="texts"/>.</summary>
    public static void Check(HeadlessBrowser browser, string state, int texts = 20)
    {
        var found = browser.Run(Script);
        Assert.AreEqual("", string.Join('\n', Failures(found)), state);
        Assert.IsGreaterThanOrEqualTo(texts, found.GetProperty("texts").GetInt32(), $"{state}: texts");
    }

    /// <summary>Returns the texts that are too faint.</summary>
    public static IReadOnlyList<string> Failures(HeadlessBrowser browser) => Failures(browser.Run(Script));

    private static IReadOnlyList<string> Failures(System.Text.Json.JsonElement found) =>
        [.. found.GetProperty("failures").EnumerateArray().Select(failure => failure.GetString()!)];
}
