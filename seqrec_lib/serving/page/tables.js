// Tables and a chart that are made once and changed in place.
"use strict";
window.seqrec = window.seqrec || {};
(() => {
  const { make, write } = window.seqrec;

  /**
   * A table in `root`; fill(rows) writes cells of text, the first of each row its head, and
   * call(caption) gives it another caption.
   */
  function table(root, caption, heads) {
    const body = make("tbody");
    const top = heads.map((text) => make("th", { scope: "col", textContent: text }));
    const name = make("caption");
    const whole = make("table", {}, name, make("thead", {}, make("tr", {}, ...top)), body);
    // what is wider than a phone is moved by keys too
    const wide = make("div", { className: "seqrec-wide", tabIndex: 0 }, whole);
    wide.setAttribute("role", "region");
    root.append(wide);

    function call(words) {
      write(name, words);
      wide.setAttribute("aria-label", words);
    }

    function fill(rows) {
      while (body.rows.length > rows.length) body.lastElementChild.remove();
      rows.forEach((cells, at) => {
        const row = body.rows[at] || body.appendChild(line(cells.length));
        cells.forEach((text, i) => write(row.cells[i], text));
      });
    }
    call(caption);
    return { fill, call, body };
  }

  function line(length) {
    const cells = Array.from({ length: length - 1 }, () => make("td"));
    return make("tr", {}, make("th", { scope: "row" }), ...cells);
  }

  const [WIDTH, HEIGHT, LEFT, BOTTOM] = [640, 150, 40, 16];

  function drawn(tag, attributes = {}) {
    const found = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) found.setAttribute(name, value);
    return found;
  }

  const DASHES = ["", "7 3", "2 3", "9 3 2 3"]; // for readers who see no colours

  /** Lines of `models` over the latest `most` points; add({name: [mean, low, high]}), clear(). */
  function chart(root, label, models, most) {
    const svg = drawn("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": label });
    const base = HEIGHT - BOTTOM;
    const right = WIDTH - Math.max(12, 3 * models.length); // the intervals stand behind it
    const [top, foot] = [drawn("text", { x: 0, y: 15 }), drawn("text", { x: 0, y: base })];
    foot.textContent = "0";
    const axis = { class: "seqrec-axis", x1: LEFT, x2: right, y1: base, y2: base };
    svg.append(drawn("line", axis), top, foot);
    const legend = make("ul", { className: "seqrec-legend" });
    const lines = new Map(models.map(({ name, title, colour }, number) => {
      const look = { stroke: colour, "stroke-dasharray": DASHES[number % DASHES.length] };
      const sign = drawn("svg", { viewBox: "0 0 36 8", "aria-hidden": "true" });
      sign.append(drawn("polyline", { points: "0,4 36,4", ...look }));
      legend.append(make("li", {}, sign, ` ${title}`));
      const [path, end] = [drawn("polyline", look),
        drawn("line", { stroke: colour, class: "seqrec-end" })];
      svg.append(path, end);
      return [name, { path, end, points: [] }];
    }));
    root.append(make("p", { className: "seqrec-note", textContent: label }), svg, legend);

    function draw() {
      const all = [...lines.values()];
      const high = Math.max(0.05, ...all.flatMap(({ points }) => points.map(([mean]) => mean)),
        ...all.map(({ points }) => points.at(-1)?.[2] || 0));
      const x = (i) => LEFT + (i / (most - 1)) * (right - LEFT);
      const y = (value) => base - (value / high) * (base - 6);
      write(top, high.toFixed(2));
      all.forEach(({ path, end, points }, number) => {
        const place = points.map(([mean], i) => `${x(i).toFixed(1)},${y(mean).toFixed(1)}`);
        path.setAttribute("points", place.join(" "));
        const last = points.at(-1);
        const at = last ? x(points.length - 1) + 2 + 3 * number : 0; // beside each other
        for (const [name, value] of Object.entries({
          x1: at, x2: at, y1: last ? y(last[1]) : 0, y2: last ? y(last[2]) : 0,
        })) end.setAttribute(name, value);
      });
    }

    function add(values) {
      for (const [name, { points }] of lines) {
        if (!values[name]) continue;
        points.push(values[name]);
        if (points.length > most) points.shift();
      }
      draw();
    }

    function clear() {
      for (const { points } of lines.values()) points.length = 0;
      draw();
    }
    return { add, clear };
  }

  Object.assign(window.seqrec, { table, chart });
})();
