
const live = (() => {
    const byId = id => document.getElementById(id), SVG = 'http://www.w3.org/2000/svg', MOST_POINTS = 1500;
    const LEFT = 52, RIGHT = 8, TOP = 8, BOTTOM = 20; // the margins of a curve
    const percent = value => `${(100 * value).toFixed(1)} %`, plain = value => value.toPrecision(4);
    const whole = value => Math.round(value).toLocaleString('en');
    const duration = seconds => {
        const all = Math.round(seconds), two = value => String(value).padStart(2, '0');
        return all >= 3600 ? `${Math.floor(all / 3600)}:${two(Math.floor(all % 3600 / 60))}:${two(all % 60)}`
            : `${Math.floor(all / 60)}:${two(all % 60)}`;
    };
    const figures = [
        { key: 'loss', name: 'Loss', text: value => value.toFixed(4), curve: 'large', log: true, held: 'loss', heldName: 'validation' },
        { key: 'accuracy', name: 'Token accuracy', text: percent, curve: 'large', share: true, held: 'accuracy', heldName: 'answers right' },
        { key: 'salient', name: 'Salient share', text: percent, curve: 'small', share: true },
        { key: 'norm', name: 'Gradient norm', text: plain, curve: 'small', log: true },
        { key: 'rate', name: 'Learning rate', text: value => value.toExponential(2) },
        { key: 'speed', name: 'Tokens per second', text: whole },
    ];
    let steps = [], evaluations = [], run = null, picked = -1, pending = 0;
    const earlier = [], DASHES = ['2 3', '7 3', '1 5', '9 3 2 3', '4 6', '12 4'];

    const make = (name, attributes, ...children) => {
        const node = document.createElementNS(SVG, name);
        for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
        node.append(...children);
        return node;
    };
    const html = (name, ...children) => {
        const node = document.createElement(name);
        node.append(...children);
        return node;
    };

    // Every point [step, value] of a short run, else the minimum and maximum of each interval.
    function thin(points) {
        if (points.length <= MOST_POINTS) return points;
        const size = Math.ceil(2 * points.length / MOST_POINTS), kept = [];
        for (let begin = 0; begin < points.length; begin += size) {
            let low = begin, high = begin;
            for (let i = begin; i < Math.min(begin + size, points.length); i++) {
                if (points[i][1] < points[low][1]) low = i;
                if (points[i][1] > points[high][1]) high = i;
            }
            for (const i of low === high ? [low] : [Math.min(low, high), Math.max(low, high)]) kept.push(points[i]);
        }
        return kept;
    }

    // An exponential moving average with bias correction.
    function smooth(values, weight) {
        let sum = 0, norm = 0;
        return values.map(value => {
            sum = weight * sum + (1 - weight) * value;
            norm = weight * norm + 1 - weight;
            return sum / norm;
        });
    }

    function nice(span) {
        const power = 10 ** Math.floor(Math.log10(span)), lead = span / power;
        return power * (lead < 1.5 ? 0.25 : lead < 3.5 ? 0.5 : lead < 7.5 ? 1 : 2);
    }

    function multiples(gap, low, high) {
        const all = [];
        for (let value = Math.ceil(low / gap) * gap; value <= high + gap * 1e-9; value += gap) all.push(value);
        return all;
    }

    // 1, 2 and 5 times the powers of ten; equal gaps where fewer than two of them fall into the range.
    function logarithmicTicks(low, high) {
        const ticks = [];
        for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++)
            for (const lead of [1, 2, 5]) ticks.push(lead * 10 ** power);
        const inside = ticks.filter(value => value >= low && value <= high), wide = inside.length > 7;
        return inside.length < 2 ? multiples(nice(high - low), low, high)
            : inside.filter(value => !wide || String(value.toExponential()).startsWith('1e'));
    }

    // The range of an axis of values: from zero, unless all are far above it.
    function rangeOf(figure, values, logarithmic) {
        let low = Math.min(...values), high = Math.max(...values);
        if (logarithmic) return high > low ? [low, high] : [low / 1.1, high * 1.1];
        if (low > 0 && low < high / 2) low = 0;
        if (figure.share) [low, high] = [Math.min(low, Math.max(0, high - 0.02)), Math.min(1, Math.max(high, low + 0.02))];
        return high > low ? [low, high] : [low - (Math.abs(low) || 1) * 0.1, high + (Math.abs(high) || 1) * 0.1];
    }

    const heldOut = figure => figure.held ? evaluations.filter(one => one[figure.held] !== null) : [];

    function caption(figure) {
        const shown = picked >= 0 ? steps[picked] : steps.at(-1);
        if (!shown) return [];
        const newest = heldOut(figure).findLast(one => one.step <= shown.step), span = html('span');
        if (newest) {
            span.className = 'valid-text';
            span.textContent = `, ${figure.heldName} ${figure.text(newest[figure.held])}`;
        }
        return [`${picked >= 0 ? `step ${shown.step}:` : 'now'} ${figure.text(shown[figure.key])}`, ...newest ? [span] : []];
    }

    // The axis of steps ends at the last one that is there, of earlier runs too; what is left of the run is on the bar.
    function axis(width) {
        const shown = earlier.filter(one => one.box.checked && one.loss.length > 0);
        const first = Math.min(steps[0].step, evaluations[0]?.step ?? Infinity, ...shown.map(one => one.loss[0][0]));
        const span = Math.max(steps.at(-1).step - first, ...shown.map(one => one.loss.at(-1)[0] - first), 1);
        return { first, span, x: step => LEFT + (step - first) / span * (width - LEFT - RIGHT) };
    }

    function draw(figure) {
        const svg = figure.svg, width = svg.clientWidth, height = svg.clientHeight;
        svg.setAttribute('viewBox', `0 0 ${width} ${height}`);
        figure.now.replaceChildren(...caption(figure));
        svg.setAttribute('aria-label', `${figure.name}, ${steps.length} steps. ${figure.now.textContent}`);
        if (steps.length === 0 || width === 0) return svg.replaceChildren();
        const all = steps.map(step => [step.step, step[figure.key]]), held = heldOut(figure).map(one => [one.step, one[figure.held]]);
        const smoothed = smooth(all.map(point => point[1]), Number(byId('smoothing').value)).map((value, i) => [all[i][0], value]);
        const positive = points => points.filter(point => point[1] > 0);
        const logarithmic = figure.log && byId('log').checked && positive(all).length > 0; // what is not above zero has no place on it
        const shown = points => thin(logarithmic ? positive(points) : points);
        const [raw, valid] = [shown(all), shown(held)];
        const others = earlier.filter(one => one.box.checked).map(one => ({ dash: one.dash, points: shown(one[figure.key]) }));
        const [low, high] = rangeOf(figure, [...raw, ...valid, ...others.flatMap(one => one.points)].map(point => point[1]), logarithmic);
        const scale = logarithmic ? Math.log10 : value => value, { first, span, x } = axis(width), bottom = height - BOTTOM;
        const y = value => TOP + (scale(high) - scale(value)) / (scale(high) - scale(low)) * (bottom - TOP);
        const path = points => points.map(([step, value], p) => `${p === 0 ? 'M' : 'L'}${x(step).toFixed(1)} ${y(value).toFixed(1)}`).join('');
        const parts = (logarithmic ? logarithmicTicks(low, high) : multiples(nice(high - low), low, high)).flatMap(value => [
            make('line', { class: 'grid', x1: LEFT, x2: width - RIGHT, y1: y(value), y2: y(value) }),
            make('text', { class: 'tick', x: LEFT - 6, y: y(value) + 4, 'text-anchor': 'end' },
                figure.share ? `${+(100 * value).toFixed(2)} %` : String(+value.toPrecision(3)))]);
        const last = first + span, between = multiples(Math.max(1, Math.ceil(nice(span))), first, last)
            .filter(step => x(step) - LEFT > 60 && width - RIGHT - x(step) > 40);
        for (const [step, anchor] of [[first, 'start'], ...between.map(step => [step, 'middle']), [last, 'end']])
            parts.push(make('text', { class: 'tick step', x: x(step), y: height - 4, 'text-anchor': anchor },
                step === first ? `step ${step}` : step));
        for (const { dash, points } of others)
            parts.push(make('path', { class: 'earlier', d: path(points), 'stroke-dasharray': dash }));
        parts.push(make('path', { class: 'raw', d: path(raw) }), make('path', { class: 'smooth', d: path(shown(smoothed)) }));
        if (valid.length > 0) parts.push(make('path', { class: 'valid', d: path(valid) }),
            ...valid.map(([step, value]) => make('circle', { class: 'valid-dot', cx: x(step), cy: y(value), r: 3 })));
        const best = heldOut(figure).findLast(one => one.best);
        if (best && (!logarithmic || best[figure.held] > 0))
            parts.push(make('circle', { class: 'best', cx: x(best.step), cy: y(best[figure.held]), r: 7 }));
        const [step, value] = picked >= 0 ? all[picked] : all.at(-1);
        if (picked >= 0) parts.push(make('line', { class: 'cross', x1: x(step), x2: x(step), y1: TOP, y2: bottom }));
        if (!logarithmic || value > 0) parts.push(make('circle', { class: 'dot', cx: x(step), cy: y(value), r: 4 }));
        svg.replaceChildren(...parts);
    }

    function refresh() {
        pending = 0;
        const last = steps.at(-1);
        if (last) {
            byId('bar').max = last.total;
            byId('bar').value = last.step;
            byId('steps').textContent = `step ${last.step} of ${last.total}`;
            byId('epoch').textContent = last.epoch.toFixed(2);
            byId('elapsed').textContent = duration(last.elapsed);
            byId('left').textContent = duration(last.left);
            byId('tokens').textContent = whole(last.tokens);
            document.title = `${Math.floor(100 * last.step / last.total)} % Training`;
        }
        for (const figure of figures) {
            figure.tile.textContent = last ? figure.text(last[figure.key]) : '–';
            if (figure.curve) draw(figure);
        }
    }
    const soon = () => pending ||= requestAnimationFrame(refresh);

    function state(name, words) {
        byId('state').className = name;
        byId('state').textContent = words;
    }

    function pick(index) {
        picked = index;
        soon();
    }

    for (const figure of figures) {
        figure.tile = html('dd', '–');
        byId('tiles').append(html('div', html('dt', figure.name), figure.tile));
        if (!figure.curve) continue;
        figure.now = html('span');
        figure.svg = make('svg', { role: 'img', tabindex: 0, id: `curve-${figure.key}` });
        const frame = html('figure', html('figcaption', html('h2', figure.name), figure.now), figure.svg);
        frame.className = figure.curve;
        byId('curves').append(frame);
        figure.svg.addEventListener('pointermove', event => {
            if (steps.length === 0) return;
            const box = figure.svg.getBoundingClientRect(), { first, span } = axis(box.width);
            const wanted = first + (event.clientX - box.left - LEFT) / (box.width - LEFT - RIGHT) * span;
            pick(Math.min(steps.length - 1, Math.max(0, Math.round(wanted - steps[0].step))));
        });
        figure.svg.addEventListener('pointerleave', () => pick(-1));
        figure.svg.addEventListener('blur', () => pick(-1));
        figure.svg.addEventListener('keydown', event => {
            const from = picked >= 0 ? picked : steps.length - 1;
            const to = { ArrowLeft: from - 1, ArrowRight: from + 1, Home: 0, End: steps.length - 1 }[event.key];
            if (to === undefined || steps.length === 0) return;
            event.preventDefault();
            pick(Math.min(steps.length - 1, Math.max(0, to)));
        });
    }
    for (const id of ['smoothing', 'log']) byId(id).addEventListener('input', soon);
    new ResizeObserver(soon).observe(byId('curves'));

    const hear = {
        earlier(message) {
            const box = html('input'), dash = DASHES[earlier.length % DASHES.length];
            box.type = 'checkbox';
            box.checked = true;
            box.addEventListener('input', soon);
            const line = make('svg', { viewBox: '0 0 34 10', 'aria-hidden': true },
                make('path', { class: 'earlier', d: 'M0 5L34 5', 'stroke-dasharray': dash }));
            earlier.push({ ...message, box, dash });
            byId('earlier').append(html('label', box, ' ', line, ` ${message.name}`));
            byId('earlier').hidden = false;
        },
        run(message) {
            [run, steps, evaluations, picked] = [message, [], [], -1];
            byId('subtitle').textContent = `${run.method} on ${run.rows} rows, model ${run.model}`;
            byId('options').replaceChildren(...run.options.map(option => html('tr', ...option.map(text => html('td', text)))));
            byId('began').textContent = `, run of ${run.began}`;
            byId('map').hidden = byId('samples').hidden = true;
            state('running', 'running');
        },
        step(message) {
            steps.push(message);
            if (byId('state').className !== 'running') state('running', 'running');
        },
        validation(message) {
            evaluations.push(message);
            byId('samples').hidden = message.answers.length === 0;
            byId('answers').replaceChildren(...message.answers.map(answer => html('tr', ...answer.map(text => html('td', text)))));
        },
        recorded(message) {
            byId('map').hidden = false;
            byId('map').textContent = message.epoch === 0 ? 'Saliency map before training' : `Saliency map up to epoch ${message.epoch}`;
        },
        end(message) {
            state(message.how, message.how);
        },
    };
    const source = new EventSource('events');
    let ended = false;
    source.onmessage = event => {
        for (const [kind, message] of Object.entries(JSON.parse(event.data))) {
            hear[kind](message);
            ended = kind === 'end';
        }
        soon();
    };
    source.onerror = () => {
        if (ended) source.close(); // the training program has ended
        else state('lost', 'no connection');
    };
    source.onopen = () => {
        if (byId('state').className === 'lost') run ? state('running', 'running') : state('', 'waiting for a run');
    };
    frame(soon);
    soon();
    return { steps: () => steps, evaluations: () => evaluations };
})();
