// Four models in plain JavaScript: a history in, a score for each item out. Nothing here knows of a
// page. Items are numbers from 1 in the order of the catalogue; a history has the oldest first.
// tests/test_demo.py holds each of them to `score_all` of the library.
"use strict";
window.seqrec = window.seqrec || {};
(() => {
  // --- numbers out of text -----------------------------------------------------------------

  const bytes = (text) => Uint8Array.from(atob(text), (one) => one.charCodeAt(0));

  /** Whole numbers below 65,536, two bytes each. */
  const integers = (text) => new Uint16Array(bytes(text).buffer);

  /** Numbers in half precision (IEEE 754), as a Float32Array. */
  function halves(text) {
    const stored = integers(text);
    const found = new Float32Array(stored.length);
    for (let i = 0; i < stored.length; i++) {
      const sign = stored[i] & 0x8000 ? -1 : 1;
      const exponent = (stored[i] >> 10) & 31;
      const fraction = stored[i] & 1023;
      found[i] = exponent
        ? sign * (1 + fraction / 1024) * 2 ** (exponent - 15)
        : sign * fraction * 2 ** -24;
    }
    return found;
  }

  // --- counts: all that was learned from, looked through at each question --------------------

  /** How often each item is among `events`, histories with a 0 between them. */
  function popularity(events, numItems) {
    const found = new Float32Array(numItems + 1);
    for (const item of events) found[item] += 1;
    found[0] = 0;
    return found;
  }

  function popular({ events, numItems }) {
    const counts = popularity(events, numItems);
    counts[0] = -Infinity;
    return () => counts;
  }

  /** What followed the same last items; every count gives up `discount` to the shorter context. */
  function markov({ events, numItems, config }) {
    const share = popularity(events, numItems);
    const total = share.reduce((sum, one) => sum + one, 0);
    for (let item = 0; item <= numItems; item++) share[item] /= total;
    return (history) => {
      const scores = share.slice();
      let followers; // places of `events` whose last items are those of the history
      for (let order = 1; order <= Math.min(config.order, history.length); order++) {
        const item = history[history.length - order];
        followers = followers
          ? followers.filter((place) => events[place - order] === item)
          : after(events, item);
        if (!followers.length) break;
        const counts = new Map();
        for (const place of followers)
          counts.set(events[place], (counts.get(events[place]) || 0) + 1);
        const left = Math.fround((config.discount * counts.size) / followers.length);
        for (let i = 0; i <= numItems; i++) scores[i] *= left;
        for (const [next, count] of counts)
          scores[next] += Math.fround((count - config.discount) / followers.length);
      }
      scores[0] = -Infinity;
      return scores;
    };
  }

  function after(events, item) {
    const found = [];
    for (let place = 1; place < events.length; place++)
      if (events[place - 1] === item && events[place]) found.push(place);
    return found;
  }

  // --- blocks of the networks ----------------------------------------------------------------

  /** Weight (rows, columns) times x, plus bias. */
  function linear(x, weight, bias) {
    const width = x.length;
    const found = Float32Array.from(bias);
    for (let row = 0, at = 0; row < found.length; row++) {
      let sum = 0;
      for (let i = 0; i < width; i++, at++) sum += weight[at] * x[i];
      found[row] += sum;
    }
    return found;
  }

  function layerNorm(x, weight, bias) {
    const mean = x.reduce((sum, one) => sum + one, 0) / x.length;
    const variance = x.reduce((sum, one) => sum + (one - mean) ** 2, 0) / x.length;
    const scale = 1 / Math.sqrt(variance + 1e-5);
    return x.map((one, i) => (one - mean) * scale * weight[i] + bias[i]);
  }

  const sigmoid = (x) => 1 / (1 + Math.exp(-x));
  const plus = (x, y) => x.map((one, i) => one + y[i]);

  /** x times the probability that a normal draw is below it; Abramowitz and Stegun, 7.1.26. */
  function gelu(x) {
    const z = Math.abs(x) / Math.SQRT2;
    const t = 1 / (1 + 0.3275911 * z);
    const series = [1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592];
    const tail = series.reduce((sum, one) => (sum + one) * t, 0) * Math.exp(-z * z);
    return (x / 2) * (1 + Math.sign(x) * (1 - tail));
  }

  /** Compares states with all items: cosines over the temperature, or inner products. */
  function comparer(table, width, temperature) {
    const units = temperature ? table.slice() : table;
    if (temperature)
      for (let at = 0; at < units.length; at += width) normalise(units.subarray(at, at + width), 1);
    return (state) => {
      const asked = state.slice();
      if (temperature) normalise(asked, temperature);
      const scores = new Float32Array(units.length / width);
      for (let item = 1, at = width; item < scores.length; item++) {
        let sum = 0;
        for (let i = 0; i < width; i++, at++) sum += units[at] * asked[i];
        scores[item] = sum;
      }
      scores[0] = -Infinity;
      return scores;
    };
  }

  function normalise(x, temperature) {
    const length = Math.sqrt(x.reduce((sum, one) => sum + one * one, 0));
    const scale = 1 / (Math.max(length, 1e-12) * temperature);
    for (let i = 0; i < x.length; i++) x[i] *= scale;
  }

  // --- the networks: names of weights are those of the library ---------------------------------

  function gru({ weights: w, config }) {
    const { embed_dim: width, hidden_dim: hidden } = config;
    const compare = comparer(w["items.weight"], width, config.temperature);
    const layer = (number, inputs) => {
      const [ofInput, ofState] = ["ih", "hh"].map((of) => (x) =>
        linear(x, w[`gru.weight_${of}_l${number}`], w[`gru.bias_${of}_l${number}`]));
      let state = new Float32Array(hidden);
      return inputs.map((x) => {
        const [a, b] = [ofInput(x), ofState(state)]; // reset, update and new, one behind the other
        state = state.map((old, i) => {
          const reset = sigmoid(a[i] + b[i]);
          const update = sigmoid(a[hidden + i] + b[hidden + i]);
          const fresh = Math.tanh(a[2 * hidden + i] + reset * b[2 * hidden + i]);
          return (1 - update) * fresh + update * old;
        });
        return state;
      });
    };
    return (history) => {
      let steps = history.map((item) => vector(w["items.weight"], item, width));
      for (let number = 0; number < config.num_layers; number++) steps = layer(number, steps);
      return compare(linear(steps.at(-1), w["project.weight"], w["project.bias"]));
    };
  }

  const vector = (table, row, width) => table.subarray(row * width, (row + 1) * width);

  function sasrec({ weights: w, config }) {
    const { embed_dim: width, num_heads: heads } = config;
    const compare = comparer(w["items.weight"], width, config.temperature);
    const norm = (x, name) => layerNorm(x, w[`${name}.weight`], w[`${name}.bias`]);
    const dense = (x, name) => linear(x, w[`${name}.weight`], w[`${name}.bias`]);

    function attention(steps, name) {
      const parts = steps.map((x) => dense(x, `${name}.project`)); // query, key and value
      return steps.map((_, now) => {
        const mixed = new Float32Array(width);
        for (let head = 0, size = width / heads; head < heads; head++) {
          const [query, key, value] = [0, 1, 2].map((part) => part * width + head * size);
          const shares = new Float32Array(now + 1); // of itself and what came before
          for (let then = 0; then <= now; then++)
            for (let i = 0; i < size; i++)
              shares[then] += (parts[now][query + i] * parts[then][key + i]) / Math.sqrt(size);
          const most = Math.max(...shares);
          let total = 0;
          shares.forEach((one, then) => (total += shares[then] = Math.exp(one - most)));
          for (let then = 0; then <= now; then++)
            for (let i = 0; i < size; i++)
              mixed[head * size + i] += (shares[then] / total) * parts[then][value + i];
        }
        return dense(mixed, `${name}.out`);
      });
    }

    function block(steps, name) {
      const normed = steps.map((x) => norm(x, `${name}.attention_norm`));
      const looked = attention(normed, `${name}.attention`);
      return steps.map((x, t) => {
        const seen = plus(x, looked[t]);
        const inner = dense(norm(seen, `${name}.feed_norm`), `${name}.feed.0`).map(gelu);
        return plus(seen, dense(inner, `${name}.feed.2`));
      });
    }

    return (history) => {
      let steps = history.map((item, t) => plus(
        vector(w["items.weight"], item, width),
        vector(w["positions.weight"], history.length - 1 - t, width), // counted from the newest
      ));
      for (let layer = 0; layer < config.num_layers; layer++)
        steps = block(steps, `blocks.${layer}`);
      return compare(norm(steps.at(-1), "norm"));
    };
  }

  // --- lists and ranks -------------------------------------------------------------------------

  /** The `k` best, {item, score}; of equal ones the first of the catalogue, none at -Infinity. */
  function top(scores, k, without) {
    const found = [];
    for (let item = 1; item < scores.length; item++) {
      const score = scores[item];
      if (score === -Infinity || without.has(item)) continue;
      if (found.length === k && score <= found[k - 1].score) continue;
      let place = found.length;
      while (place && found[place - 1].score < score) place--;
      found.splice(place, 0, { item, score });
      found.length = Math.min(found.length, k);
    }
    return found;
  }

  /** The rank of `item`, 1 is best, ties in the middle; of one that is left out the last. */
  function rank(scores, item, without) {
    if (without.has(item)) return scores.length - 1;
    let [higher, tied] = [0, 0];
    for (let other = 1; other < scores.length; other++) {
      if (other === item || without.has(other)) continue;
      if (scores[other] > scores[item]) higher++;
      if (scores[other] === scores[item]) tied++;
    }
    return 1 + higher + Math.ceil(tied / 2);
  }

  Object.assign(window.seqrec, {
    integers, halves, top, rank, kinds: { popular, markov, gru, sasrec },
  });
})();
