// The server, as the page asks it: the stream of a replay, lists, attention, and what items are
// called. Items are text here, as a log and a model may have one as a number and as a word.
"use strict";
window.seqrec = window.seqrec || {};
(() => {
  const MOST = 5000; // items whose names are kept: a page that stays open must not grow
  const AT_ONCE = 1000; // that the server names together
  const AGAIN = 3000; // milliseconds until a stream that was refused is asked for again

  /** `heard` is called at each answer that was given. */
  function server(heard) {
    let known = new Map();

    async function answered(path, how) {
      let answer, found;
      try {
        answer = await fetch(path, how);
        found = await answer.json();
      } catch { // in each browser's own words
        throw new Error("The server does not answer");
      }
      if (!answer.ok) throw new Error(found.error);
      heard();
      return found;
    }

    const get = (path) => answered(path);
    const post = (path, body) => answered(path, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });

    const describe = (item) => known.get(item) || { title: item, genres: "" };

    /** Have the names of `items`, so that `describe` knows them. */
    async function name(items) {
      const wanted = [...new Set(items)];
      if (known.size + wanted.length > MOST)
        known = new Map(wanted.filter((one) => known.has(one)).map((one) => [one, known.get(one)]));
      const missing = wanted.filter((one) => !known.has(one));
      for (let i = 0; i < missing.length; i += AT_ONCE) {
        const some = missing.slice(i, i + AT_ONCE);
        const { items: found } = await post("/v1/items", { items: some });
        some.forEach((one, place) => known.set(one, found[place]));
      }
    }

    /** A frame of what all models answer to a history. */
    async function ask(history, next, protocol, numItems) {
      const { models, ms } = await post("/v1/top", { history, protocol, k: 10 });
      const lists = {};
      for (const [name, { items }] of Object.entries(models)) {
        const shown = items.map(String);
        const place = shown.indexOf(next);
        const rank = next === null || !history.length ? null : place < 0 ? Infinity : place + 1;
        lists[name] = { items: shown.map((item) => ({ item })), rank };
      }
      return { history, next, protocol, numItems, lists, ms: ms.total };
    }

    /** A frame of the decision that a stream tells. */
    function decided({ history, item, models }, protocol, numItems) {
      const lists = {};
      for (const [name, { [protocol]: { items, rank } }] of Object.entries(models))
        lists[name] = { items: items.map((one) => ({ item: String(one) })), rank: rank ?? Infinity };
      return { history: history.map(String), next: String(item), protocol, numItems, lists, ms: 0 };
    }

    function search(words, most, found) {
      post("/v1/search", { words: words.slice(0, 200), most })
        .then(async ({ items, all }) => {
          const text = items.map(String);
          await name(text);
          found({ items: text, all });
        })
        .catch(({ message }) => found({ items: [], all: 0, lacks: `${message}.` }));
    }

    /** Tell `draw` each frame of the stream; `broken` whether it has broken off. */
    function watch(draw, broken) {
      let source;
      function open() {
        source?.close();
        if (document.hidden) return; // a browser has six connections to a server, for all its tabs
        source = new EventSource("/v1/stream");
        source.onmessage = ({ data }) => draw(JSON.parse(data));
        source.onopen = () => broken(false);
        source.onerror = ({ target }) => {
          broken(true);
          if (target.readyState === EventSource.CLOSED) setTimeout(open, AGAIN);
        };
      }
      document.addEventListener("visibilitychange", open);
      open();
    }

    return {
      describe, name, ask, decided, search, watch,
      about: () => get("/v1/about"),
      attention: (history) => post("/v1/attention", { history }),
      replay: (wanted) => post("/v1/replay", wanted),
      pace: (wanted) => post("/v1/pace", wanted),
    };
  }

  Object.assign(window.seqrec, { server });
})();
