
// The settings: a slider and a number for every constant of the objective, and their C# code.
nlft.settings = (() => {
    const { create } = nlft;

    const groups = [
        ['Wrong responses: what is salient', [
            ['SalientRatioToBase', 'judgment / question (j / b) above', 1, 10, 0.05,
                'The judgment must make the token this much likelier than the question alone.'],
            ['SalientRatioToStandard', 'judgment / answer (j / s) above', 0, 10, 0.05, 'And this much likelier than the right answer does.'],
            ['MinimumJudgeProbability', 'after the judgment (j) above', 0, 0.5, 0.005, 'And not be improbable altogether.'],
        ]],
        ['Wrong responses: weights', [
            ['SalientWeightCenter', 'weight (w) is 1 at j / b', -2, 10, 0.1, 'A salient token weighs 2 sigmoid(j/b - this).'],
            ['MaximumSalientShare', 'share rule', 0, 1, 0.01, 'With a larger share of salient tokens, only they teach.'],
            ['IncorrectOrdinaryExponent', 'ordinary: power of answer (s)', 0.05, 4, 0.05, 'An ordinary token weighs s to this power.'],
        ]],
        ['Right responses', [
            ['SalientLevel', 'after the answer (s) above', 0.01, 0.995, 0.005, 'A token is salient when the right answer makes it this likely.'],
            ['CorrectSalientExponent', 'salient exponent', 0.1, 10, 0.1, 'A salient token weighs 1 + ((s - level) / (1 - level)) to this power.'],
            ['CorrectNeighbourExponent', 'neighbour exponent', 0.05, 4, 0.05, 'A neighbour weighs s / level to this power.'],
            ['CorrectOrdinaryExponent', 'ordinary exponent', 0.05, 4, 0.05, 'An ordinary token weighs s / level to this power.'],
            ['CorrectLikelihood', 'plain likelihood, too'],
        ]],
        ['Clusters around salient tokens', [
            ['ClusterRule', 'neighbours that are', ['Dissimilar', 'Similar', 'None']],
            ['ClusterThreshold', 'threshold', 0, 2, 0.01, 'What the cosine distance or similarity must exceed.'],
        ]],
        ['Loss', [
            ['Scale', 'scale', 0.5, 50, 0.5, 'Multiplies the loss and every coefficient; the colours leave it out.'],
            ['ZeroGuard', 'stands in for p = 0', -12, -1, 1, 'Under a logarithm only.'],
            ['JudgeLikelihood', 'judge likelihood of wrong responses'],
        ]],
    ];

    // The ranges of the library, for typed numbers outside the range of the slider.
    const ranges = {
        SalientRatioToBase: [value => value >= 1, '1 or more'], SalientRatioToStandard: [value => value >= 0, '0 or more'],
        MinimumJudgeProbability: [value => value >= 0 && value < 1, 'from 0 to below 1'], SalientWeightCenter: [() => true, 'a number'],
        MaximumSalientShare: [value => value >= 0 && value <= 1, 'from 0 to 1'], SalientLevel: [value => value > 0 && value < 1, 'between 0 and 1'],
        ClusterThreshold: [value => value >= 0 && value <= 2, 'from 0 to 2'], ZeroGuard: [value => value > 0 && value < 1, 'between 0 and 1'],
    };
    const positive = [value => value > 0, 'above 0'];

    // Rounds to a threshold for which the walks are stored.
    const nearest = (list, value) => list.reduce((best, other) => Math.abs(other - value) < Math.abs(best - value) ? other : best);

    function slider([name, label, low, high, step, help], map, options, changed) {
        const logarithmic = name === 'ZeroGuard';
        const range = create('input', { type: 'range', min: low, max: high, step, id: `range-${name}` });
        const number = create('input', { type: 'number', step: 'any', id: `number-${name}` });
        number.setAttribute('aria-label', `${label}, as a number`);
        const show = () => {
            range.value = logarithmic ? Math.log10(options[name]) : options[name];
            number.value = logarithmic ? options[name].toExponential() : options[name];
            number.setCustomValidity('');
        };
        const set = value => {
            options[name] = name === 'ClusterThreshold' ? nearest(map.thresholds, value) : value;
            show();
            changed(name);
        };
        range.addEventListener('input', () => set(logarithmic ? Number(`1e${range.value}`) : Number(range.value)));
        number.addEventListener('change', () => {
            const value = number.valueAsNumber, [fits, words] = ranges[name] ?? positive;
            if (Number.isFinite(value) && fits(value)) return set(value);
            number.setCustomValidity(`Expected ${words}.`);
            number.reportValidity();
        });
        const caption = create('label', { htmlFor: range.id, title: `${name}: ${help}` }, label);
        return [create('div', { className: 'setting' }, caption, number, range), show];
    }

    function checkbox([name, label], options, changed) {
        const box = create('input', { type: 'checkbox', id: `range-${name}` });
        box.addEventListener('change', () => {
            options[name] = box.checked;
            changed(name);
        });
        return [create('div', { className: 'setting check' }, create('label', { title: name }, box, ` ${label}`)), () => box.checked = options[name]];
    }

    function choice([name, label, values], options, changed) {
        const select = create('select', { id: `range-${name}` }, ...values.map(value => create('option', { value }, value.toLowerCase())));
        select.addEventListener('change', () => {
            options[name] = select.value;
            changed(name);
        });
        return [create('div', { className: 'setting' }, create('label', { htmlFor: select.id, title: name }, label), select), () =>
            select.value = options[name]];
    }

    // Builds the form; changed(name) is called after every change. Returns show(), which updates the form from the options.
    function build(form, map, options, changed) {
        const shows = [];
        for (const [title, entries] of groups) {
            const fields = entries.map(entry => {
                const [field, show] = Array.isArray(entry[2]) ? choice(entry, options, changed) : entry.length === 2
                    ? checkbox(entry, options, changed) : slider(entry, map, options, changed);
                shows.push(show);
                return field;
            });
            form.append(create('fieldset', {}, create('legend', {}, title), ...fields));
        }
        const show = () => shows.forEach(one => one());
        show();
        return show;
    }

    // C# code for the settings that differ from the defaults.
    function code(options, defaults) {
        const literal = (name, value) => name === 'ClusterRule' ? `ClusterRule.${value}` : String(value);
        const lines = Object.keys(defaults).filter(name => options[name] !== defaults[name])
            .map(name => `    ${name} = ${literal(name, options[name])},\n`);
        return lines.length === 0 ? 'new NaturalLanguageObjectiveOptions()' : `new NaturalLanguageObjectiveOptions\n{\n${lines.join('')}}`;
    }

    return { build, code };
})();
