
// The list of rows. Text and strips exist only for rows near the viewport, so a thousand rows cost no more than the visible ones.
nlft.rows = (() => {
    const { create } = nlft, MARGIN = 600;
    const LEVELS = [0, 0.1, 0.3, 0.6, 1, 1.6, 2.4]; // of |c| n / scale: the same for every row and setting
    const percent = share => `${(100 * share).toFixed(1)} %`;

    // The colour of a token: p1 to p7 reinforced, m1 to m7 made unlikely, z neither.
    function shade(coefficient, tokens, scale) {
        const strength = Math.abs(coefficient) * tokens / scale;
        if (strength === 0) return 'z';
        let level = 1;
        while (level < LEVELS.length && strength >= LEVELS[level]) level++;
        return (coefficient < 0 ? 'm' : 'p') + level;
    }

    function tokenClass(result, t, row, options) {
        const role = ['', ' near', ' salient'][result.roles[t]];
        return `t ${shade(result.coefficients[t], row.counted, options.Scale)}${role}`;
    }

    const visible = text => text.replaceAll('\r', '').replaceAll('\n', '↵\n').replaceAll('\t', '⇥\t');

    function build(container, view, select) {
        const { map } = view, cards = [];
        let order = map.rows.map((_, r) => r);

        const observer = new IntersectionObserver(entries => {
            for (const entry of entries) entry.isIntersecting ? fill(Number(entry.target.dataset.row)) : empty(Number(entry.target.dataset.row));
        }, { rootMargin: `${MARGIN}px 0px` });

        map.rows.forEach((row, r) => {
            const share = create('span', { className: 'share' });
            const gauge = create('span', { className: 'gauge' }, create('i', {}), create('b', {}));
            const verdict = map.supervised ? [] : [create('span', { className: row.correct ? 'verdict well' : 'verdict wrong' },
                row.correct ? '✓ right' : '✗ wrong')];
            const head = create('header', {}, ...verdict, create('h3', {}, row.source), gauge, share);
            const article = create('article', { className: row.correct ? 'row right' : 'row', id: `row-${r}` }, head);
            article.dataset.row = r;
            cards.push({ article, share, gauge, filled: false });
            container.append(article);
            observer.observe(article);
        });

        function fill(r) {
            const card = cards[r];
            if (card.filled) return;
            const row = map.rows[r], now = view.row(r);
            const tokens = create('div', { className: 'tokens', translate: false });
            tokens.setAttribute('role', 'group');
            tokens.setAttribute('aria-label', `${map.supervised ? 'Tokens' : 'Response tokens'}; arrow keys move`);
            card.tokens = Array.from(now.text, (id, t) => {
                const span = create('span', { tabIndex: t === (card.tab ?? 0) ? 0 : -1 }, visible(map.texts[id]));
                span.dataset.t = t;
                return span;
            });
            tokens.append(...card.tokens);
            card.canvas = create('canvas', { className: 'strips' });
            card.canvas.setAttribute('aria-hidden', 'true');
            const names = create('ul', { className: 'strip-names' },
                ...(map.supervised ? ['model'] : row.correct ? ['question', 'answer'] : ['question', 'judgment', 'answer'])
                    .map(name => create('li', {}, name)));
            card.body = create('div', { className: 'body' });
            if (!map.supervised) card.body.append(create('p', { className: 'question' }, row.question)); // else it is among the tokens
            if (row.judgment && !map.supervised) card.body.append(create('p', { className: 'judgment' }, row.judgment));
            card.body.append(tokens, create('div', { className: 'contexts' }, names, card.canvas));
            if (!map.supervised) card.body.append(create('p', { className: 'answer' }, `Right answer: ${row.answer}`));
            card.article.append(card.body);
            card.article.style.minHeight = '';
            card.filled = true;
            paint(r);
        }

        function empty(r) {
            const card = cards[r];
            if (!card.filled || card.body.contains(document.activeElement)) return;
            card.article.style.minHeight = `${card.article.offsetHeight}px`;
            card.body.remove();
            card.filled = false;
        }

        function paint(r) {
            const card = cards[r], result = view.results[r], row = view.row(r), { selection } = view;
            const share = (row.carries ? row.counted : result.salient) / row.tokens;
            const over = !row.correct && share > view.options.MaximumSalientShare;
            card.share.textContent = (row.carries ? `${row.counted} of ${row.tokens} tokens carry loss`
                : `${result.salient} of ${row.tokens} salient, ${percent(share)}${over ? ', above the share rule' : ''}`)
                + `; loss ${result.loss.toFixed(3)}`;
            card.gauge.firstChild.style.width = `${Math.min(100, share * (row.carries ? 100 : 400))}%`;
            card.gauge.lastChild.style.left = `${Math.min(100, view.options.MaximumSalientShare * 400)}%`;
            card.gauge.classList.toggle('over', over);
            if (!card.filled) return;
            card.tokens.forEach((span, t) => {
                const name = tokenClass(result, t, row, view.options);
                if (span.className !== name) span.className = name;
            });
            const present = selection && selection.row === r ? selection.token : -1;
            if (present >= 0) card.tokens[present].classList.add('present');
            nlft.charts.strips(card.canvas, row, result.roles, present);
        }

        // Sets the visible rows and their order.
        function arrange(rows) {
            const shown = new Set(rows);
            cards.forEach((card, r) => card.article.hidden = !shown.has(r));
            if (rows.some((r, i) => r !== order[i])) container.append(...rows.map(r => cards[r].article));
            order = rows;
        }

        // Recolours rows near the viewport; others follow when they come near. Reads all positions before it changes anything.
        function repaint() {
            const near = order.filter(r => {
                const box = cards[r].article.getBoundingClientRect();
                return cards[r].filled || (box.bottom > -MARGIN && box.top < window.innerHeight + MARGIN);
            });
            near.forEach(paint);
        }

        function focus(r, t) {
            const card = cards[r];
            fill(r);
            if (card.tab !== undefined) card.tokens[card.tab].tabIndex = -1;
            else card.tokens[0].tabIndex = -1;
            card.tab = Math.min(Math.max(t, 0), card.tokens.length - 1);
            card.tokens[card.tab].tabIndex = 0;
            card.tokens[card.tab].focus();
        }

        const place = node => {
            const span = node.closest?.('.t');
            return span ? [Number(span.closest('article').dataset.row), Number(span.dataset.t)] : null;
        };
        container.addEventListener('focusin', event => {
            const at = place(event.target);
            if (at) select(...at);
        });
        container.addEventListener('pointerover', event => {
            const at = event.pointerType === 'mouse' && place(event.target);
            if (at) select(...at);
        });
        container.addEventListener('click', event => {
            const at = place(event.target);
            if (at) return focus(...at);
            if (!event.target.matches('canvas.strips')) return;
            const r = Number(event.target.closest('article').dataset.row);
            focus(r, Math.floor(event.offsetX / event.target.clientWidth * view.row(r).tokens));
        });
        container.addEventListener('keydown', event => {
            const at = place(event.target);
            if (!at) return;
            const [r, t] = at, next = order[order.indexOf(r) + (event.key === 'ArrowDown' ? 1 : -1)];
            if (event.key === 'ArrowRight') focus(r, t + 1);
            else if (event.key === 'ArrowLeft') focus(r, t - 1);
            else if (event.key === 'Home') focus(r, 0);
            else if (event.key === 'End') focus(r, Infinity);
            else if (event.key === 'Escape') select(null);
            else if ((event.key === 'ArrowDown' || event.key === 'ArrowUp') && next !== undefined) {
                focus(next, cards[next].tab ?? 0);
                cards[next].article.scrollIntoView({ block: 'nearest' });
            } else return;
            event.preventDefault();
        });
        new ResizeObserver(repaint).observe(container);

        return { arrange, repaint, focus, paint };
    }

    return { build, shade, visible, percent, LEVELS };
})();
