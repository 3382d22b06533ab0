
// Small charts: histograms and lines as SVG, the probability strips of three contexts on a canvas.
nlft.charts = (() => {
    const SVG = 'http://www.w3.org/2000/svg';

    function element(name, attributes, ...children) {
        const node = document.createElementNS(SVG, name);
        for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
        node.append(...children);
        return node;
    }

    // Bars over bins, with a marked position. bins: counts; ticks: [position in bins, label]; mark: {at, label}.
    function histogram(title, bins, ticks, mark, description) {
        const width = 300, height = 120, top = 22, bottom = 102, step = width / bins.length, most = Math.max(1, ...bins);
        const y = count => count === 0 ? bottom : bottom - Math.max(2, Math.sqrt(count / most) * (bottom - top));
        const x = Math.min(Math.max(mark.at, 0), bins.length) * step;
        const right = x > width * 0.62;
        const svg = element('svg', { viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': `${title}. ${description}` },
            ...bins.map((count, i) => element('rect', {
                x: (i * step + 0.75).toFixed(2), y: y(count).toFixed(2), width: Math.max(0.5, step - 1.5).toFixed(2),
                height: (bottom - y(count)).toFixed(2),
                class: i + 0.5 > mark.at ? 'bar beyond' : 'bar',
            })),
            element('line', { x1: 0, x2: width, y1: bottom, y2: bottom, class: 'axis' }),
            ...ticks.map(([at, label]) => element('text', { x: at * step, y: height - 4, class: 'tick', 'text-anchor': at === 0 ? 'start'
                : at === bins.length ? 'end' : 'middle' }, label)),
            element('line', { x1: x, x2: x, y1: 4, y2: bottom, class: 'mark' }),
            element('text', { x: right ? x - 5 : x + 5, y: 13, class: 'mark-label', 'text-anchor': right ? 'end' : 'start' }, mark.label));
        const figure = document.createElement('figure'), caption = document.createElement('figcaption');
        caption.textContent = title;
        figure.append(caption, svg);
        return figure;
    }

    // A line through values with a dot at the current one. Shared scale: [low, high].
    function line(values, present, [low, high], label) {
        const width = 120, height = 34, span = high - low || 1;
        const x = i => values.length === 1 ? width / 2 : 4 + i * (width - 8) / (values.length - 1);
        const y = value => height - 5 - (value - low) / span * (height - 10);
        const zero = low < 0 && high > 0 ? [element('line', { x1: 0, x2: width, y1: y(0), y2: y(0), class: 'axis' })] : [];
        return element('svg', { viewBox: `0 0 ${width} ${height}`, class: 'line', role: 'img', 'aria-label': label }, ...zero,
            element('polyline', { points: values.map((value, i) => `${x(i).toFixed(1)},${y(value).toFixed(1)}`).join(' ') }),
            element('circle', { cx: x(present).toFixed(1), cy: y(values[present]).toFixed(1), r: 3.5 }));
    }

    const STRIP = 22, GAP = 4;
    // The colours of the theme, which a canvas does not know by name.
    function coloursOf(canvas) {
        const names = ['ink', 'strip', ...['base', 'judge', 'standard'].flatMap(name => [`${name}-pale`, `${name}-full`])];
        return Object.fromEntries(names.map(name => {
            canvas.style.color = `var(--${name})`;
            return [name, getComputedStyle(canvas).color];
        }));
    }

    // Three strips with a bar per token, whose height is its probability; full colours, and a mark below, for salient tokens.
    function strips(canvas, row, roles, present) {
        const names = row.carries ? ['base'] : row.correct ? ['base', 'standard'] : ['base', 'judge', 'standard'];
        const width = canvas.clientWidth, height = names.length * (STRIP + GAP) + 7, ratio = window.devicePixelRatio || 1;
        if (width === 0) return;
        canvas.width = Math.round(width * ratio);
        canvas.height = Math.round(height * ratio);
        canvas.style.height = `${height}px`;
        const colours = coloursOf(canvas), draw = canvas.getContext('2d'), step = width / row.tokens;
        draw.scale(ratio, ratio);
        names.forEach((name, s) => {
            const bottom = s * (STRIP + GAP) + STRIP;
            draw.fillStyle = colours.strip;
            draw.fillRect(0, bottom - STRIP, width, STRIP);
            for (let t = 0; t < row.tokens; t++) {
                const full = row.carries ? row.carries[t] : !row.correct && roles[t] === nlft.objective.SALIENT;
                draw.fillStyle = colours[`${name}-${full ? 'full' : 'pale'}`];
                const high = Math.exp(Math.min(row[name][t], 0)) * STRIP;
                draw.fillRect(t * step, bottom - high, Math.max(step - (step > 3 ? 1 : 0), 0.5), high);
            }
        });
        draw.fillStyle = colours.ink;
        for (let t = 0; t < row.tokens; t++) if (roles[t] === nlft.objective.SALIENT) draw.fillRect(t * step, height - 6, Math.max(step - 1, 1.5), 4);
        if (present >= 0) {
            draw.strokeStyle = colours.ink;
            draw.lineWidth = 1.5;
            draw.strokeRect(present * step - 1, 0.75, Math.max(step, 2) + 1, height - 1.5);
        }
    }

    return { histogram, line, strips };
})();
