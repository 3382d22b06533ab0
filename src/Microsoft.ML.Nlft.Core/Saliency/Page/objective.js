
const nlft = {};

// The natural language objective over one response: the page's counterpart of NaturalLanguageObjective.cs, step for step.
// A row has: tokens, correct, and the natural logarithms base, judge, standard; reach(rule, token, threshold) gives [left, right].
nlft.objective = (() => {
    const ORDINARY = 0, NEIGHBOUR = 1, SALIENT = 2;
    const MARGIN = 1e-9; // a value exactly on a threshold is not above it

    const clamp = logP => Math.min(logP, 0);
    const guarded = (logP, guard) => logP === -Infinity ? Math.log(guard) : logP;
    const sigmoid = x => 1 / (1 + Math.exp(-x));

    // Roles: salient tokens, then the neighbours that the walk from each of them reaches.
    function assignRoles(row, isSalient, options, roles) {
        let salient = 0;
        for (let t = 0; t < row.tokens; t++) {
            roles[t] = isSalient(t) ? SALIENT : ORDINARY;
            if (roles[t] === SALIENT) salient++;
        }
        if (options.ClusterRule === 'None') return salient;
        for (let t = 0; t < row.tokens; t++) {
            if (roles[t] !== SALIENT) continue;
            const [left, right] = row.reach(options.ClusterRule, t, options.ClusterThreshold);
            for (let k = t - left; k <= t + right; k++) if (roles[k] === ORDINARY) roles[k] = NEIGHBOUR;
        }
        return salient;
    }

    // L = scale [-(1/n) sum w log b - (1/n) sum log b];  c = (scale/n) (w + 1)
    function evaluateCorrect(row, o, out) {
        const logLevel = Math.log(o.SalientLevel), factor = o.Scale / row.tokens, plain = o.CorrectLikelihood ? 1 : 0;
        const salient = assignRoles(row, t => clamp(row.standard[t]) > logLevel + MARGIN, o, out.roles);
        let loss = 0;
        for (let t = 0; t < row.tokens; t++) {
            const logB = clamp(row.base[t]), logS = clamp(row.standard[t]);
            const weight = out.roles[t] === SALIENT ? 1 + Math.pow((Math.exp(logS) - o.SalientLevel) / (1 - o.SalientLevel), o.CorrectSalientExponent)
                : Math.exp((out.roles[t] === NEIGHBOUR ? o.CorrectNeighbourExponent : o.CorrectOrdinaryExponent) * (logS - logLevel));
            const impossible = logB === -Infinity;
            loss -= (weight + plain) * guarded(logB, o.ZeroGuard);
            out.weights[t] = weight;
            out.coefficients[t] = factor * ((impossible ? 0 : weight) + plain);
        }
        return { loss: factor * loss, salient };
    }

    // L = scale [-(1/n) sum w log q];  c = (scale/n) w, on salient tokens -(scale/n) w b/(1-b)
    function evaluateIncorrect(row, o, out) {
        const logRatioToBase = Math.log(o.SalientRatioToBase), logRatioToStandard = Math.log(o.SalientRatioToStandard);
        const logFloor = Math.log(o.MinimumJudgeProbability), factor = o.Scale / row.tokens;
        const salient = assignRoles(row, t => {
            const logJ = clamp(row.judge[t]);
            return logJ > clamp(row.base[t]) + logRatioToBase + MARGIN && logJ > clamp(row.standard[t]) + logRatioToStandard + MARGIN
                && logJ > logFloor + MARGIN;
        }, o, out.roles);
        const salientAlone = salient / row.tokens > o.MaximumSalientShare;
        let loss = 0;
        for (let t = 0; t < row.tokens; t++) {
            const logB = clamp(row.base[t]), logJ = clamp(row.judge[t]);
            if (out.roles[t] === SALIENT) {
                const weight = 2 * sigmoid(Math.exp(logJ - logB) - o.SalientWeightCenter), b = Math.exp(logB);
                loss -= weight * Math.log1p(-b);
                out.weights[t] = weight;
                out.coefficients[t] = factor * (-weight * b / (1 - b));
            } else {
                const weight = out.roles[t] === NEIGHBOUR || salientAlone ? 0 : Math.exp(o.IncorrectOrdinaryExponent * clamp(row.standard[t]));
                loss -= weight * guarded(logB, o.ZeroGuard);
                out.weights[t] = weight;
                out.coefficients[t] = factor * (logB === -Infinity ? 0 : weight);
            }
            if (o.JudgeLikelihood) loss -= guarded(logJ, o.ZeroGuard);
        }
        return { loss: factor * loss, salient, salientAlone };
    }

    // Supervised fine-tuning: L = -(1/m) sum log b over the m tokens that carry loss;  c = 1/m there, 0 elsewhere
    function evaluateSupervised(row, o, out) {
        let loss = 0;
        for (let t = 0; t < row.tokens; t++) {
            out.roles[t] = ORDINARY;
            out.weights[t] = row.carries[t];
            out.coefficients[t] = row.carries[t] / row.counted;
            if (row.carries[t]) loss -= guarded(clamp(row.base[t]), o.ZeroGuard);
        }
        return { loss: loss / row.counted, salient: 0 };
    }

    // Fills out.roles, out.weights and out.coefficients (n each); returns the loss and the number of salient tokens.
    const evaluate = (row, options, out) =>
        (row.carries ? evaluateSupervised : row.correct ? evaluateCorrect : evaluateIncorrect)(row, options, out);

    return { evaluate, ORDINARY, NEIGHBOUR, SALIENT };
})();
