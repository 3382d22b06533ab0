
// Reads the data of the page: the counterpart of SaliencyPayload.cs, which describes the layout.
nlft.payload = (() => {
    function bytesOf(base64) {
        if (Uint8Array.fromBase64) return Uint8Array.fromBase64(base64);
        const text = atob(base64), bytes = new Uint8Array(text.length);
        for (let i = 0; i < bytes.length; i++) bytes[i] = text.charCodeAt(i);
        return bytes;
    }

    async function unpack(text) {
        const packed = bytesOf(text);
        return new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream('gzip'))).arrayBuffer();
    }

    // Reads consecutive varints.
    function varints(bytes, at) {
        return () => {
            let value = 0;
            for (let shift = 0; ; shift += 7) {
                const part = bytes[at++];
                value |= (part & 0x7F) << shift;
                if (part < 0x80) return value;
            }
        };
    }

    // The offsets of the walks by moment, row, rule (dissimilar, similar) and token.
    function indexWalks(bytes, rows, moments) {
        const begins = [];
        let at = 0;
        for (let moment = 0; moment < moments; moment++) {
            for (const row of rows) {
                for (let rule = 0; rule < 2; rule++) {
                    const begin = new Uint32Array(row.tokens);
                    for (let t = 0; t < row.tokens; t++) {
                        begin[t] = at;
                        let groups = 0, shift = 0;
                        for (; bytes[at] >= 0x80; shift += 7) groups |= (bytes[at++] & 0x7F) << shift;
                        groups |= bytes[at++] << shift;
                        for (let rest = 3 * groups; rest > 0;) if (bytes[at++] < 0x80) rest--; // a varint ends with a byte below 128
                    }
                    begins.push(begin);
                }
            }
        }
        return begins;
    }

    // The reach of a walk at a threshold index, from groups of (thresholds, left, right).
    function reachOf(bytes, at, threshold) {
        const read = varints(bytes, at);
        let passed = 0;
        for (let groups = read(); groups > 0; groups--) {
            passed += read();
            const left = read(), right = read();
            if (threshold < passed) return [left, right];
        }
        return [0, 0];
    }

    // The map: its header, and for each moment the rows in the form that the objective reads.
    async function open(text) {
        const buffer = await unpack(text), length = new DataView(buffer).getInt32(0, true);
        const map = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
        const total = map.rows.reduce((sum, row) => sum + row.tokens, 0), moments = map.epochs.length;
        let at = 4 + length;
        const column = (type, count) => {
            at = Math.ceil(at / 8) * 8;
            const values = new type(buffer, at, count);
            at += values.byteLength;
            return values;
        };
        const number = map.single ? Float32Array : Float64Array;
        const ids = column(Uint32Array, total);
        const [base, judge, standard] = [0, 1, 2].map(() => column(number, total * moments));
        const likely = map.likely === 0 ? []
            : [0, 1, 2].map(() => [Uint32Array, Float32Array].map(type => column(type, total * moments * map.likely)));
        const walks = new Uint8Array(buffer, at);
        const begins = map.supervised ? [] : indexWalks(walks, map.rows, moments);
        const thresholdIndex = new Map(map.thresholds.map((threshold, i) => [threshold, i]));

        map.moments = [];
        for (let moment = 0, from = 0; moment < moments; moment++) {
            let id = 0;
            map.moments.push(map.rows.map((row, r) => {
                const first = from, end = from + row.tokens;
                const begin = begins.slice(2 * (moment * map.rows.length + r), 2 * (moment * map.rows.length + r) + 2);
                const seen = {
                    tokens: row.tokens,
                    correct: row.correct,
                    // In a map of supervised fine-tuning, which tokens carry loss; else null.
                    carries: map.supervised ? Array.from(row.carries, Number) : null,
                    counted: map.supervised ? row.carries.replaceAll('0', '').length : row.tokens,
                    base: base.subarray(from, end),
                    judge: judge.subarray(from, end),
                    standard: standard.subarray(from, end),
                    text: ids.subarray(id, id + row.tokens),
                    // The likeliest other tokens in a context (0: question, 1: judgment, 2: answer), as [text, probability].
                    likely: (context, t) => Array.from({ length: map.likely }, (_, k) => (first + t) * map.likely + k)
                        .map(i => [map.texts[likely[context][0][i]], likely[context][1][i]]),
                    reach: (rule, t, threshold) => reachOf(walks, begin[rule === 'Similar' ? 1 : 0][t], thresholdIndex.get(threshold)),
                };
                from = end;
                id += row.tokens;
                return seen;
            }));
        }
        return map;
    }

    return { open };
})();
