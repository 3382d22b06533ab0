
// Builds the page and updates it after every change.
nlft.page = (async () => {
    const { create } = nlft, { percent } = nlft.rows, byId = id => document.getElementById(id);
    const map = await nlft.payload.open(byId('payload').textContent);
    byId('payload').remove();

    const longest = Math.max(...map.rows.map(row => row.tokens));
    const room = { roles: new Uint8Array(longest), weights: new Float64Array(longest), coefficients: new Float64Array(longest) };
    const view = {
        map,
        options: { ...map.options },
        moment: map.epochs.length - 1,
        selection: null,
        results: map.rows.map(row => ({ roles: new Uint8Array(row.tokens), weights: new Float64Array(row.tokens),
            coefficients: new Float64Array(row.tokens) })),
        row: r => map.moments[view.moment][r],
        scratch: tokens => ({ roles: room.roles.subarray(0, tokens), weights: room.weights.subarray(0, tokens),
            coefficients: room.coefficients.subarray(0, tokens) }),
        select,
        // The numbers of one token, unrounded.
        numbers: (r, t) => nlft.inspector.numbers(view.row(r), view.results[r], t),
    };

    function evaluate() {
        map.moments[view.moment].forEach((row, r) => Object.assign(view.results[r], { salientAlone: false },
            nlft.objective.evaluate(row, view.options, view.results[r])));
    }

    function supervisedSummary() {
        const rows = map.moments[view.moment], level = new Array(20).fill(0), sum = values => values.reduce((a, b) => a + b, 0);
        const bin = logP => Math.min(19, Math.floor(Math.exp(Math.min(0, logP)) * 20));
        rows.forEach(row => row.carries.forEach((carries, t) => carries && level[bin(row.base[t])]++));
        const tokens = sum(rows.map(row => row.tokens)), counted = sum(rows.map(row => row.counted));
        byId('tiles').replaceChildren(
            tile('carry loss', percent(counted / tokens), `${counted.toLocaleString('en')} of ${tokens.toLocaleString('en')} tokens`),
            tile('mean loss', (sum(view.results.map(result => result.loss)) / rows.length).toFixed(3), `over ${rows.length} rows`));
        byId('charts').replaceChildren(nlft.charts.histogram('Tokens that carry loss, by probability', level, [[0, '0'], [10, '0.5'], [20, '1']],
            { at: 10, label: 'above 0.5' }, ''));
    }

    const tile = (name, value, note) => create('div', {}, create('dt', {}, name), create('dd', {}, value, create('small', {}, note)));

    function summary() {
        if (map.supervised) return supervisedSummary();
        const rows = map.moments[view.moment], { results, options } = view;
        const BINS = 24, share = new Array(20).fill(0), ratio = new Array(BINS).fill(0), level = new Array(20).fill(0);
        let tokens = 0, over = 0, wrong = 0, loss = 0, up = 0, down = 0;
        const salient = { wrong: 0, right: 0 }, all = { wrong: 0, right: 0 };
        rows.forEach((row, r) => {
            const result = results[r];
            tokens += row.tokens;
            const kind = row.correct ? 'right' : 'wrong';
            salient[kind] += result.salient;
            all[kind] += row.tokens;
            loss += result.loss;
            for (let t = 0; t < row.tokens; t++) {
                if (result.coefficients[t] > 0) up++;
                else if (result.coefficients[t] < 0) down++;
                if (row.correct) level[Math.min(19, Math.floor(Math.exp(Math.min(0, row.standard[t])) * 20))]++;
                else {
                    const log2 = (row.judge[t] - row.base[t]) / Math.LN2;
                    if (!Number.isNaN(log2)) ratio[Math.min(BINS - 1, Math.max(0, Math.floor(2 * (log2 + 4))))]++;
                }
            }
            if (row.correct) return;
            wrong++;
            if (result.salient / row.tokens > options.MaximumSalientShare) over++;
            share[Math.min(19, Math.floor(result.salient / row.tokens * 50 + 1e-9))]++;
        });
        byId('tiles').replaceChildren(
            tile('salient in wrong rows', wrong === 0 ? 'none' : percent(salient.wrong / all.wrong),
                `${salient.wrong.toLocaleString('en')} of ${all.wrong.toLocaleString('en')} tokens`
                    + (all.right === 0 ? '' : `; in right rows ${percent(salient.right / all.right)}`)),
            tile('above the share rule', String(over), `of ${wrong} wrong rows; rule ${percent(options.MaximumSalientShare)}`),
            tile('reinforced', percent(up / tokens), `made unlikely ${percent(down / tokens)}, left alone ${percent((tokens - up - down) / tokens)}`),
            tile('mean loss', (loss / rows.length).toFixed(3), `over ${rows.length} rows`));
        const charts = [];
        if (wrong > 0) charts.push(
            nlft.charts.histogram('Salient share of a wrong row', share, [[0, '0'], [5, '10 %'], [10, '20 %'], [15, '30 %'], [20, '40 %']],
                { at: options.MaximumSalientShare * 50, label: `rule ${percent(options.MaximumSalientShare)}` },
                `${over} of ${wrong} rows are above the rule.`),
            nlft.charts.histogram('Tokens by judgment / question (j / b)', ratio,
                [[0, '1/16'], [4, '1/4'], [8, '1'], [12, '4'], [16, '16'], [20, '64'], [24, '']],
                { at: 2 * (Math.log2(options.SalientRatioToBase) + 4), label: `above ${options.SalientRatioToBase}` }, 'Logarithmic.'));
        if (wrong < rows.length) charts.push(
            nlft.charts.histogram('Right rows: tokens by answer (s)', level, [[0, '0'], [10, '0.5'], [20, '1']],
                { at: options.SalientLevel * 20, label: `above ${options.SalientLevel}` }, ''));
        byId('charts').replaceChildren(...charts);
    }

    let texts; // of every row, in lower case; computed at the first search
    const textsOf = () => texts ??= map.rows.map((row, r) =>
        [row.source, row.question, row.judgment, row.answer, Array.from(map.moments[0][r].text, id => map.texts[id]).join('')].join('\n')
        .toLowerCase());

    function arrange() {
        const filter = byId('filter').value, sort = byId('sort').value, wanted = byId('search').value.trim().toLowerCase();
        const share = r => view.results[r].salient / map.rows[r].tokens;
        const shown = map.rows.map((_, r) => r).filter(r => (wanted === '' || textsOf()[r].includes(wanted)) && {
            all: true, wrong: !map.rows[r].correct, right: map.rows[r].correct,
            over: !map.rows[r].correct && share(r) > view.options.MaximumSalientShare, none: view.results[r].salient === 0,
        }[filter]);
        const by = { file: () => 0, wrong: r => map.rows[r].correct ? 2 - share(r) : -share(r), salient: r => -share(r), loss: r =>
            -view.results[r].loss }[sort];
        shown.sort((a, b) => by(a) - by(b) || a - b);
        rows.arrange(shown);
        rows.repaint();
        byId('found').textContent = `${shown.length} of ${map.rows.length} rows`;
    }

    function select(row, token) {
        const before = view.selection;
        if (before && before.row === row && before.token === token) return;
        view.selection = row === null ? null : { row, token };
        if (before) {
            document.querySelector(`#row-${before.row} .present`)?.classList.remove('present');
            if (before.row !== row) rows.paint(before.row);
        }
        if (row !== null) rows.paint(row);
        nlft.inspector.show(byId('inspector'), view);
    }

    let pending = 0;
    function refresh() {
        pending = 0;
        evaluate();
        summary();
        rows.repaint();
        player.show();
        nlft.inspector.show(byId('inspector'), view);
        byId('code').textContent = nlft.settings.code(view.options, map.defaults);
    }
    const soon = () => pending ||= requestAnimationFrame(refresh);

    function go(moment) {
        view.moment = moment;
        refresh();
    }

    async function copy() {
        const code = byId('code').textContent;
        getSelection().selectAllChildren(byId('code'));
        let done = false;
        try {
            await navigator.clipboard.writeText(code);
            done = true;
        } catch {
            done = document.execCommand('copy');
        }
        byId('copied').textContent = done ? 'Copied.' : 'Selected: copy it with the keyboard.';
    }

    const legend = (name, words) => create('li', {}, create('span', { className: `t ${name}` }, words));
    if (map.supervised) {
        byId('legend').append(legend('p5', 'carries loss'), legend('z', 'carries none'));
        byId('subtitle').textContent = `${map.model}: ${map.rows.length} rows of supervised fine-tuning.`;
        byId('title').textContent = 'Which tokens carry loss';
        for (const option of document.querySelectorAll('option.nlft-only')) option.remove();
        document.body.classList.add('supervised');
    } else {
        byId('legend').append(legend('p6', 'reinforced'), legend('p2', 'a little'), legend('z', 'left alone'),
            legend('m3 salient', 'made unlikely, salient'), legend('z near', 'its neighbour'));
        const wrong = map.rows.filter(row => !row.correct).length;
        byId('subtitle').textContent = `${map.model}: ${map.rows.length} rows, ${wrong} wrong and ${map.rows.length - wrong} right responses.`;
    }

    if (map.date) byId('date').textContent = `, ${map.date}`;

    const rows = nlft.rows.build(byId('rows'), view, select);
    const player = nlft.epochs.build(byId('player'), view, go);
    const show = nlft.settings.build(byId('settings'), map, view.options, soon);
    for (const id of ['filter', 'sort']) byId(id).addEventListener('change', arrange);
    byId('search').addEventListener('input', arrange);
    byId('tools').addEventListener('submit', event => event.preventDefault());
    byId('settings').addEventListener('submit', event => event.preventDefault());
    byId('settings').addEventListener('change', () => byId('sort').value !== 'file' && requestAnimationFrame(arrange));
    byId('copy').addEventListener('click', copy);
    byId('reset').addEventListener('click', () => {
        Object.assign(view.options, map.options);
        show();
        refresh();
    });
    const wide = matchMedia('(min-width: 900px)');
    const fold = () => byId('settings-fold').open = byId('charts-fold').open = wide.matches;
    wide.addEventListener('change', fold);
    fold();
    evaluate();
    arrange();
    refresh();
    const first = map.rows.findIndex((row, r) => !row.correct && view.results[r].salient > 0);
    if (wide.matches && first >= 0) select(first, view.results[first].roles.indexOf(nlft.objective.SALIENT));
    frame(() => rows.repaint());
    return view;
})();

nlft.page.catch(error => {
    const note = document.createElement('p');
    note.className = 'failure';
    note.textContent = `This page could not be shown: ${error.message} A browser of 2024 or later is needed.`;
    document.body.prepend(note);
    throw error;
});
