// Draws a frame: lists side by side, what moved, and what came. Rows are made once and changed in
// place, so that nothing flickers and a reader's place is kept. A frame is plain data, the same
// whoever makes it, the models in a reader's browser or a server's stream:
//
//   frame.history    items, the oldest first
//   frame.next       the item that came, once it has; else null
//   frame.protocol   "masked" (M) or "unmasked" (U)
//   frame.numItems   how many items there are
//   frame.lists      by model: {items: [{item, score}], rank: of next; null while nothing has come,
//                    Infinity where all that is known is that the list does not have it};
//                    none of a model that cannot be asked
//   frame.lacks      why nobody has a list, where the lists could not be had
//   frame.ms         how long the answers took, together
"use strict";
window.seqrec = window.seqrec || {};
(() => {
  /** An element with properties, attributes under `aria` and `data`, and children. */
  function make(tag, properties = {}, ...children) {
    const { aria = {}, data = {}, ...rest } = properties;
    const found = Object.assign(document.createElement(tag), rest);
    for (const [name, value] of Object.entries(aria)) found.setAttribute(`aria-${name}`, value);
    Object.assign(found.dataset, data);
    found.append(...children);
    return found;
  }

  /** Set text where it differs: what stays the same is not announced or drawn again. */
  function write(element, text) {
    if (element.textContent !== text) element.textContent = text;
  }

  /** How each item of `now` has moved since `before`: places up (+) or down (−), or "new". */
  function moves(before, now) {
    const places = new Map(before.map(({ item }, place) => [item, place]));
    return now.map(({ item }, place) => (places.has(item) ? places.get(item) - place : "new"));
  }

  function moved(by) {
    if (by === "new") return { sign: "new", words: "new" };
    if (!by) return { sign: "", words: "" };
    return by > 0
      ? { sign: `▲ ${by}`, words: `up ${by}` }
      : { sign: `▼ ${-by}`, words: `down ${-by}` };
  }

  /** A row of a list, and how to fill it. */
  function row() {
    const title = make("span", { className: "seqrec-title" });
    const sign = make("span", { className: "seqrec-sign", aria: { hidden: "true" } });
    const heard = make("span", { className: "seqrec-heard" });
    const came = make("span", { className: "seqrec-badge" });
    const genres = make("span", { className: "seqrec-genres" });
    const line = make("div", { className: "seqrec-line" }, title, " ", came, heard, sign);
    const element = make("li", { hidden: true }, line, genres);
    const fill = (described, by, isNext) => {
      const { sign: mark, words } = moved(by);
      write(title, described.title);
      write(genres, described.genres);
      write(sign, mark);
      write(heard, words && ` (${words})`);
      write(came, isNext ? "came next" : "");
      element.classList.toggle("seqrec-came", isNext);
      element.classList.toggle("seqrec-moved", Boolean(mark));
      element.hidden = false;
    };
    return { element, fill };
  }

  /** Columns for `models` ({name, title, colour, note}) in `root`; describe(item) has its words. */
  function lists(root, models, describe, k = 10) {
    const columns = new Map(models.map(({ name, title, colour, note }) => {
      const rows = Array.from({ length: k }, row);
      const under = make("p", { className: "seqrec-note" });
      const empty = make("p", { className: "seqrec-note" });
      const head = make("h4", { id: `seqrec-${name}`, textContent: title });
      const list = make("ol", { aria: { labelledby: head.id } }, ...rows.map((one) => one.element));
      const about = make("p", { className: "seqrec-note", textContent: note || "" });
      const column = make("div", { className: "seqrec-column" }, head, about, empty, list, under);
      column.style.setProperty("--seqrec-colour", colour);
      root.append(column);
      return [name, { rows, under, empty, list }];
    }));

    /** Draw `frame`; with a frame `before`, mark what has moved since. Says how much, by model. */
    function show(frame, before = null) {
      const changes = {};
      for (const [name, { rows, under, empty, list }] of columns) {
        const { items, rank } = frame.lists[name] || { items: [], rank: null };
        const earlier = before && before.lists[name];
        const by = earlier ? moves(earlier.items, items) : items.map(() => 0);
        rows.forEach(({ element, fill }, place) => {
          if (place < items.length)
            fill(describe(items[place].item), by[place], items[place].item === frame.next);
          else element.hidden = true;
        });
        list.hidden = !items.length; // a list without items is none
        const why = frame.lists[name] ? "the history is empty." : "it reads receipts, not items alone.";
        write(empty, items.length ? "" : `No list: ${frame.lacks || why}`);
        write(under, rank === null ? "" : placed(rank, frame));
        changes[name] = {
          fresh: by.filter((one) => one === "new").length,
          moved: by.filter((one) => one && one !== "new").length,
        };
      }
      return changes;
    }
    return { show };
  }

  function placed(rank, frame) {
    if (frame.protocol === "masked" && frame.history.includes(frame.next))
      return "What came next is in the history, and so in no list.";
    if (rank === Infinity) return "What came next is not in this list.";
    const [at, all] = [rank, frame.numItems].map((one) => one.toLocaleString("en"));
    return `What came next has rank ${at} of ${all}.`;
  }

  Object.assign(window.seqrec, { lists, moves, make, write });
})();
