// Draws a history that the reader may change: each event can go, or change places with the one
// before or after it. Whoever calls decides what a change does, and what `things` are called.
"use strict";
window.seqrec = window.seqrec || {};
(() => {
  const LAST = 6; // shown at first

  /** In `root`; `change(history, words)` is told what the reader wants. */
  function editor(root, describe, change, things = "films") {
    const { make, write } = window.seqrec;
    const list = make("ol", { className: "seqrec-history" });
    const more = make("button", { type: "button", className: "seqrec-more" });
    const empty = make("p", { className: "seqrec-note" });
    root.append(more, list, empty);
    let [history, all, rows, marks] = [[], false, [], []];

    const acts = {
      earlier: { sign: "↑", words: "Move earlier", act: (at) => swapped(at, at - 1) },
      later: { sign: "↓", words: "Move later", act: (at) => swapped(at, at + 1) },
      remove: { sign: "✕", words: "Remove", act: removed },
    };

    function swapped(at, other) {
      const now = history.slice();
      [now[at], now[other]] = [now[other], now[at]];
      const way = other < at ? "earlier" : "later";
      change(now, `${describe(history[at]).title} moved ${way}.`);
      focus(other, way);
    }

    function removed(at) {
      change(history.filter((_, i) => i !== at), `${describe(history[at]).title} removed.`);
      focus(Math.min(at, history.length - 1), "remove");
    }

    /** Keep the reader's place; a button that is off at the end gives way to its neighbour. */
    function focus(at, name) {
      const row = rows[at - first()];
      if (!row) return root.parentElement.querySelector("input[type=text]")?.focus();
      const { [name]: wanted, remove } = row.buttons;
      (wanted.disabled ? remove : wanted).focus();
    }

    const first = () => (all ? 0 : Math.max(0, history.length - LAST));

    function row(number) {
      const title = make("span", { className: "seqrec-title" });
      const genres = make("span", { className: "seqrec-genres" });
      const buttons = {};
      for (const [name, { sign, act }] of Object.entries(acts)) {
        buttons[name] = make("button", { type: "button", textContent: sign });
        buttons[name].addEventListener("click", () => act(first() + number));
      }
      const words = make("div", {}, title, " ", genres);
      const group = make("div", { className: "seqrec-buttons" }, ...Object.values(buttons));
      return { element: make("li", {}, words, group), title, genres, buttons };
    }

    /** `notes` has a word for some events, such as where they happened. */
    function show(now, notes = []) {
      [history, marks] = [now, notes];
      const from = first();
      while (rows.length < history.length - from) {
        rows.push(row(rows.length));
        list.append(rows.at(-1).element);
      }
      while (rows.length > history.length - from) rows.pop().element.remove();
      list.start = from + 1;
      list.hidden = !history.length;
      rows.forEach(({ title, genres, buttons }, number) => {
        const described = describe(history[from + number]);
        write(title, described.title);
        const note = marks[from + number];
        write(genres, [note, described.genres].filter(Boolean).join(" · "));
        for (const [name, { words }] of Object.entries(acts))
          buttons[name].setAttribute("aria-label", `${words}: ${described.title}`);
        buttons.earlier.disabled = from + number === 0;
        buttons.later.disabled = from + number === history.length - 1;
      });
      write(empty, history.length ? "" : `No ${things} yet. Add one below.`);
      more.hidden = history.length <= LAST;
      write(more, all ? `Show the last ${LAST} alone` : `Show all ${history.length} ${things}`);
    }

    more.addEventListener("click", () => {
      all = !all;
      show(history, marks);
    });
    /** How many of the last events are seen. */
    const shown = () => (all ? Infinity : LAST);
    return { show, shown };
  }

  /**
   * A field of text in `root`, and what it finds as buttons; `add(item)` is told which one.
   * `search(text, most, found)` tells `found` of {items, all}, at once or later; in `lacks` why
   * nothing could be looked for.
   */
  function adder(root, search, describe, add, things = "films") {
    const { make, write } = window.seqrec;
    const input = root.querySelector("input");
    const found = root.querySelector("ul");
    const said = root.querySelector("output");
    const look = () => {
      const text = input.value;
      search(text, 8, (result) => text === input.value && draw(result)); // not what came too late
    };
    const draw = ({ items, all, lacks }) => {
      found.hidden = !items.length;
      found.replaceChildren(...items.map((item) => {
        const button = make("button", { type: "button", textContent: describe(item).title });
        button.addEventListener("click", () => {
          input.value = "";
          look();
          add(item);
          input.focus();
        });
        return make("li", {}, button);
      }));
      const count = all === 1 ? `1 ${things.slice(0, -1)}` : `${all} ${things}`;
      const words = lacks || (all > items.length ? `${items.length} of ${count}` : count);
      write(said, input.value.trim() ? words : "");
    };
    input.addEventListener("input", look);
    found.hidden = true;
  }

  Object.assign(window.seqrec, { editor, adder });
})();
