// Draws how much the last state of a model takes from each event of a history.
"use strict";
window.seqrec = window.seqrec || {};
(() => {
  const LAST = 12; // events that have a row of their own

  /** Tables in `root`; show({name: {places, layers} or {lacks}}, history). */
  function attention(root, models, describe) {
    const { make, table, write } = window.seqrec;
    const parts = new Map(models.filter((one) => !one.attention).map(({ name, title, colour }) => {
      const part = make("div", { hidden: true });
      part.style.setProperty("--seqrec-colour", colour);
      root.append(part);
      const caption = `${title}: share of its attention, mean over heads and layers`;
      return [name, { part, rows: table(part, caption, ["Event", "Share", "% by layer"]) }];
    }));
    const lacking = models.filter((one) => one.attention);
    for (const { title, attention: words } of lacking)
      root.append(make("p", { className: "seqrec-note", textContent: `${title}: ${words}` }));

    function show(found, history) {
      for (const [name, { part, rows }] of parts) {
        const { places, layers } = found[name];
        const shares = places.map((_, i) => layers.map((layer) => layer[i]));
        const told = shares.map((one, i) => [describe(history[places[i]]).title, one]);
        const older = told.splice(0, Math.max(0, told.length - LAST));
        if (older.length) {
          const sum = layers.map((_, l) => older.reduce((all, [, one]) => all + one[l], 0));
          told.unshift([`${older.length} older event${older.length > 1 ? "s together" : ""}`, sum]);
        }
        const mean = (one) => one.reduce((a, b) => a + b, 0) / one.length;
        const percent = (value) => `${(100 * value).toFixed(1)} %`;
        rows.fill(told.map(([title, one]) => [title, percent(mean(one)),
          one.map((value) => (100 * value).toFixed(0)).join(" · ")]));
        const most = Math.max(...told.map(([, one]) => mean(one)));
        told.forEach(([, one], i) => bar(rows.body.rows[i].cells[1], mean(one) / most));
        part.hidden = !places.length;
      }
    }

    function bar(cell, value) {
      cell.className = "seqrec-bar";
      cell.style.setProperty("--seqrec-share", `${(100 * value).toFixed(1)}%`);
    }

    function clear() {
      for (const { part } of parts.values()) part.hidden = true;
    }
    return { show, clear };
  }

  Object.assign(window.seqrec, { attention });
})();
