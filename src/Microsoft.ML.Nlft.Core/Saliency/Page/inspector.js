
// Shows the numbers of a token and explains its role.
nlft.inspector = (() => {
    const { create } = nlft, { ORDINARY, NEIGHBOUR, SALIENT } = nlft.objective;

    const digits = value => {
        if (Number.isNaN(value)) return '–';
        if (!Number.isFinite(value)) return value > 0 ? '∞' : '−∞';
        if (value === 0) return '0';
        const size = Math.abs(value);
        return (size >= 1e5 || size < 1e-3 ? value.toExponential(3) : value.toPrecision(4).replace(/(\.\d*?)0+$/, '$1').replace(/\.$/, ''))
            .replace('-', '−');
    };

    function numbers(row, result, t) {
        const b = Math.exp(row.base[t]), s = row.carries ? null : Math.exp(row.standard[t]), j = row.correct ? null : Math.exp(row.judge[t]);
        return {
            b, j, s, toBase: row.correct ? null : j / b, toStandard: row.correct ? null : j / s,
            role: result.roles[t], weight: result.weights[t], coefficient: result.coefficients[t],
        };
    }

    function reason(row, result, o, n) {
        if (row.carries) {
            return n.coefficient > 0 ? 'It carries loss: training makes the model likelier to write it here.'
                : 'It carries no loss: the model reads it and is not trained to write it.';
        }
        if (row.correct) {
            if (n.role === SALIENT)
                return `The right answer makes it almost certain: its probability (s) is above ${digits(o.SalientLevel)}. It is reinforced most.`;
            if (n.role === NEIGHBOUR) return 'It belongs to the cluster of a salient token and is reinforced with it.';
            return `Reinforced, the more the likelier the right answer makes it: its probability (s) is not above ${digits(o.SalientLevel)}.`;
        }
        if (n.role === SALIENT) {
            return `The judgment makes it ${digits(n.toBase)} times likelier than the question alone, and ${digits(n.toStandard)} times likelier `
                + 'than the answer: here is the mistake, and it is made less likely.';
        }
        if (n.role === NEIGHBOUR) return 'It belongs to the cluster of a salient token: neither learned nor unlearned.';
        if (result.salientAlone)
            return `More than ${digits(100 * o.MaximumSalientShare)} % of the row is salient: only those tokens teach, this one does not.`;
        const why = !(n.toBase > o.SalientRatioToBase)
            ? `the judgment does not make it ${digits(o.SalientRatioToBase)} times likelier than the question alone (j / b)`
            : !(n.toStandard > o.SalientRatioToStandard)
                ? `the judgment does not make it ${digits(o.SalientRatioToStandard)} times likelier than the right answer does (j / s)`
                : `after the judgment its probability (j) is not above ${digits(o.MinimumJudgeProbability)}`;
        return `Not salient: ${why}. Reinforced, the more the likelier the right answer makes it.`;
    }

    const roleNames = { [ORDINARY]: 'ordinary', [NEIGHBOUR]: 'cluster neighbour', [SALIENT]: 'salient' };

    const before = 'after all before it'; // the only context of a row of supervised fine-tuning

    const contexts = [['question (b)', 'base', 'b'], ['judgment (j)', 'judge', 'j'], ['answer (s)', 'standard', 's']];

    function likely(row, context, t) {
        const tokens = row.likely(context, t).filter(([, p]) => p >= 0.001).map(([text, p]) =>
            create('span', {}, create('code', {}, shown(text)), ` ${(100 * p).toFixed(p >= 0.0995 ? 0 : 1)} %`));
        return tokens.length > 0 ? tokens : ['none above 0.1 %'];
    }

    // What the model would have written instead, where the map knows it.
    function instead(map, row, t) {
        if (map.likely === 0) return [];
        const list = create('dl', { className: 'likely' }, ...contexts.flatMap(([name, kind], context) =>
            (row.correct && kind === 'judge') || (row.carries && kind !== 'base') ? []
                : [create('dt', {}, row.carries ? before : name), create('dd', {}, ...likely(row, context, t))]));
        return [create('h3', {}, row.carries ? 'Likeliest other tokens' : 'Likeliest other tokens, after the'), list];
    }

    // The text of a token with its spaces and line breaks.
    const shown = text => nlft.rows.visible(text).replaceAll('\n', '').replace(/^ +$|^ /, spaces => '␣'.repeat(spaces.length)) || '(empty)';

    function bar(name, kind, value) {
        const fill = create('i', {});
        fill.style.width = `${100 * value}%`;
        return create('div', { className: `probability ${kind}` }, create('span', {}, name), create('span', { className: 'track' }, fill),
            create('b', {}, digits(value)));
    }

    function show(panel, view) {
        const { selection, map, options } = view;
        panel.classList.toggle('open', selection !== null);
        if (!selection) {
            panel.replaceChildren(create('p', { className: 'hint' }, 'Point at a token, or reach it with Tab and the arrow keys.'));
            return;
        }
        const row = view.row(selection.row), result = view.results[selection.row], t = selection.token, n = numbers(row, result, t);
        const entry = (key, name, value) => {
            const cell = create('dd', {}, value);
            cell.dataset.number = key;
            return [create('dt', {}, name), cell];
        };
        const facts = create('dl', { className: 'facts' },
            ...(row.correct ? [] : [...entry('toBase', 'judgment / question (j / b)', digits(n.toBase)),
                ...entry('toStandard', 'judgment / answer (j / s)', digits(n.toStandard))]),
            ...entry('role', row.carries ? 'loss' : 'role', row.carries ? row.carries[t] ? 'carries loss' : 'none' : roleNames[n.role]),
            ...(row.carries ? [] : entry('weight', 'weight (w)', digits(n.weight))),
            ...entry('coefficient', 'coefficient (c)', digits(n.coefficient)));
        const effect = n.coefficient > 0 ? 'reinforced' : n.coefficient < 0 ? 'made unlikely' : 'left alone';
        const text = create('span', { className: `t ${nlft.rows.shade(n.coefficient, row.counted, options.Scale)}` },
            shown(map.texts[row.text[t]]));
        const close = create('button', { type: 'button', className: 'close', title: 'Close' }, '×');
        close.addEventListener('click', () => view.select(null));
        panel.replaceChildren(
            create('h2', {}, text, create('span', { className: 'effect' }, effect)),
            close,
            create('p', { className: 'where' }, `token ${t + 1} of ${row.tokens}, ${map.rows[selection.row].source}`),
            create('h3', {}, row.carries ? 'Probability' : 'Probability after the'),
            create('div', { className: 'probabilities' }, ...contexts.filter(([, , key]) => n[key] !== null)
                .map(([name, kind, key]) => bar(row.carries ? before : name, kind, n[key]))),
            create('p', { className: 'reason' }, reason(row, result, options, n)), facts, ...instead(map, row, t), ...overEpochs(view, selection));
    }

    // How the token changed over the epochs of a recorded run.
    function overEpochs(view, { row: r, token: t }) {
        if (view.map.epochs.length < 2) return [];
        const seen = view.map.moments.map(rows => {
            const out = view.scratch(rows[r].tokens);
            nlft.objective.evaluate(rows[r], view.options, out);
            return numbers(rows[r], { roles: out.roles.slice(), weights: out.weights.slice(), coefficients: out.coefficients.slice() }, t);
        });
        const chart = (name, values, range) => create('div', { className: 'trend' }, create('span', {}, name),
            nlft.charts.line(values, view.moment, range, `${name} by epoch: ${values.map(digits).join(', ')}`),
            create('b', {}, digits(values[view.moment])));
        const weights = seen.map(n => n.weight), coefficients = seen.map(n => n.coefficient);
        return [create('h3', {}, `Epochs ${view.map.epochs[0]} to ${view.map.epochs.at(-1)}`), chart('question (b)', seen.map(n => n.b), [0, 1]),
            chart('weight (w)', weights, [0, Math.max(1, ...weights)]),
            chart('coefficient (c)', coefficients, [Math.min(0, ...coefficients), Math.max(0, ...coefficients)])];
    }

    return { show, numbers, digits };
})();
