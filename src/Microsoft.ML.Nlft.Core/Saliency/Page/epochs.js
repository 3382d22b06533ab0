
// Plays the epochs of a recorded run.
nlft.epochs = (() => {
    const { create } = nlft, PAUSE = 900;

    const name = epoch => epoch === 0 ? 'before training' : `after epoch ${epoch}`;

    function build(panel, view, go) {
        const { epochs } = view.map;
        if (epochs.length < 2) return { show() { } };
        panel.hidden = false;
        let timer = 0;
        const play = create('button', { type: 'button', id: 'play' });
        const range = create('input', { type: 'range', id: 'epoch', min: 0, max: epochs.length - 1, step: 1 });
        range.setAttribute('aria-label', 'Epoch');
        const where = create('output', { id: 'epoch-name' }), trends = create('div', { className: 'trends' });

        function stop() {
            clearInterval(timer);
            timer = 0;
            play.textContent = '▶ Play';
        }
        function toggle() {
            if (timer) return stop();
            play.textContent = '❚❚ Pause';
            if (view.moment === epochs.length - 1) go(0);
            timer = setInterval(() => {
                go(view.moment + 1);
                if (view.moment === epochs.length - 1) stop();
            }, PAUSE);
        }
        play.addEventListener('click', toggle);
        range.addEventListener('input', () => {
            stop();
            go(Number(range.value));
        });
        panel.append(play, range, where, trends);
        stop();

        // The means over all rows at every moment, for the current settings.
        function means() {
            return view.map.moments.map(rows => {
                let loss = 0, salient = 0, tokens = 0, weight = 0;
                for (const row of rows) {
                    const out = view.scratch(row.tokens), result = nlft.objective.evaluate(row, view.options, out);
                    loss += result.loss;
                    salient += result.salient;
                    tokens += row.tokens;
                    for (let t = 0; t < row.tokens; t++) weight += out.weights[t];
                }
                return { loss: loss / rows.length, salient: salient / tokens, weight: weight / tokens };
            });
        }

        function show() {
            range.value = view.moment;
            where.textContent = name(epochs[view.moment]);
            range.setAttribute('aria-valuetext', where.textContent);
            const all = means();
            const trend = (label, values, text) => create('div', { className: 'trend' }, create('span', {}, label),
                nlft.charts.line(values, view.moment, [Math.min(0, ...values), Math.max(...values)],
                    `${label} by epoch: ${values.map(text).join(', ')}`),
                create('b', {}, text(values[view.moment])));
            trends.replaceChildren(trend('mean loss', all.map(one => one.loss), value => value.toFixed(3)),
                trend('salient', all.map(one => one.salient), nlft.rows.percent),
                trend('mean weight', all.map(one => one.weight), value => value.toFixed(3)));
        }
        return { show };
    }

    return { build };
})();
