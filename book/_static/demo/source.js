// Where frames (lists.js says what these are) come from when the models run in the reader's browser.
"use strict";
window.seqrec = window.seqrec || {};
(() => {
  const folder = new URL(".", document.currentScript.src); // scripts of data lie below it

  const script = (path) => new Promise((done, failed) => {
    const tag = document.createElement("script");
    tag.src = new URL(path, folder).href;
    tag.onload = done;
    tag.onerror = () => failed(new Error(`${path} is not there`));
    document.head.append(tag);
  });

  /** Load the export in `place`, telling `progress` what is loaded; gives a source of frames. */
  async function load(place, progress = () => {}) {
    const loaded = async (name) => {
      progress(name);
      await script(`${place}/${name}.js`);
    };
    for (const name of ["items", "events", "replay"]) await loaded(name);
    const { data, kinds } = window.seqrec;
    for (const { name, kind } of data.items.models)
      if (!["popular", "markov"].includes(kind)) await loaded(name);
    return source(data, kinds);
  }

  function source(data, kinds) {
    const { integers, halves, top, rank } = window.seqrec;
    const { titles, genres, models } = data.items;
    const genre = integers(data.items.genre);
    const events = integers(data.events.packed);
    const numItems = titles.length;
    const scorers = models.map(({ name, kind, config, length }) => {
      const weights = {};
      for (const [part, text] of Object.entries(data[name] || {})) weights[part] = halves(text);
      const score = kinds[kind]({ events, numItems, config, weights });
      return [name, (history) => score(history.slice(-length))];
    });

    const describe = (item) => ({
      title: titles[item - 1],
      genres: genres[genre[item - 1]].replaceAll("|", ", "),
    });

    /** What every model answers after a history; of an empty one nothing, as on a server. */
    function frame(history, protocol, next = null, k = 10) {
      const begun = performance.now();
      const without = new Set(protocol === "masked" ? history : []);
      const lists = {};
      for (const [name, score] of scorers) {
        const scores = history.length ? score(history) : null;
        lists[name] = {
          items: scores ? top(scores, k, without) : [],
          rank: scores && next ? rank(scores, next, without) : null,
        };
      }
      return { history, next, protocol, lists, numItems, ms: performance.now() - begun };
    }

    const search = finder(titles, events);
    return { ...data.items, numItems, describe, frame, search, replay: replayed(data) };
  }

  /** The people to replay: their history, and what came next. */
  function replayed(data) {
    const found = [];
    for (const item of window.seqrec.integers(data.replay.packed)) {
      if (item) found.at(-1).push(item);
      else found.push([]);
    }
    return found.map((one) => ({ history: one.slice(0, -1), next: one.at(-1) }));
  }

  /** search(text, most): items whose title has all words of it, those seen most often first. */
  function finder(titles, events) {
    const folded = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
    const known = titles.map(folded);
    const count = new Uint32Array(titles.length + 1);
    for (const item of events) count[item]++;
    return (text, most) => {
      const words = folded(text).split(/\s+/).filter(Boolean);
      if (!words.length) return { items: [], all: 0 };
      const items = [];
      known.forEach((title, i) => words.every((word) => title.includes(word)) && items.push(i + 1));
      items.sort((a, b) => count[b] - count[a] || a - b);
      return { items: items.slice(0, most), all: items.length };
    };
  }

  Object.assign(window.seqrec, { load, source });
})();
