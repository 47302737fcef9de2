// What a replay has shown so far, model by model: accuracy, chances, response times.
"use strict";
window.seqrec = window.seqrec || {};
(() => {
  const EVERY = 1000; // milliseconds between two points of the chart
  const MOST = 240; // points
  const LENGTHS = ["1", "2", "3-5", "6+"];

  const interval = (one) => one
    ? `${one[0].toFixed(3)} [${one[1].toFixed(3)}, ${one[2].toFixed(3)}]` : "–";
  const share = (one) => (one === null || one === undefined ? "–" : one.toFixed(3));
  const ms = (one) => (one === null ? "too few" : one < 10 ? one.toFixed(1) : one.toFixed(0));

  /** Tables in `root` and a chart in `above`; show(frame, protocol). */
  function measures(root, above, counts, models) {
    const { make, table, chart, write } = window.seqrec;
    const rolling = chart(above, "HR@10 of the latest 1,000 decisions, as the replay goes on; " +
      "at the end of each line its 95 % interval", models, MOST);
    const quality = table(root, "",
      ["Model", "HR@10", "NDCG@10", "Decided", "Items shown", "Calibration error"]);
    const cold = table(root, "", ["Model", "1 event", "2", "3 to 5", "6 and more"]);
    const times = table(root, "Response times in ms, of the latest 10,000 answers",
      ["Model", "Median", "p95", "p99", "Answers"]);
    const chances = root.appendChild(make("div"));
    const bins = new Map(models.map(({ name, title }) => {
      const part = make("details", {}, make("summary", { textContent: `Chances of ${title}` }));
      chances.append(part);
      return [name, table(part, `The chance that ${title} gave its first item, and how often that came`,
        ["Chance given", "Came", "Events"])];
    }));
    let [at, last, before] = [-Infinity, null, 0];
    captions("idle");

    /** At the end of a replay its tables are of all of it. */
    function captions(state) {
      const of = (latest) => (state === "played" ? "all decisions" : `the latest ${latest} decisions`);
      quality.call(`Accuracy of ${of("1,000")}, 95 % intervals over users`);
      cold.call(`HR@10 by how many events came before, of ${of("10,000")}`);
    }

    function show(frame, protocol) {
      captions(frame.state);
      if (!frame.counts) return empty();
      const own = models.map(({ name, title }) => [title, frame.models[name][protocol], name]);
      quality.fill(own.map(([title, one]) => [title, interval(one["HR@10"]), interval(one["NDCG@10"]),
        one.decided.toLocaleString("en"), `${(100 * one.coverage).toFixed(1)} %`,
        share(one.calibration_error)]));
      cold.fill(own.map(([title, one]) =>
        [title, ...LENGTHS.map((length) => interval(one.by_history?.[length]))]));
      const row = ([title, { p50, p95, p99, n }]) =>
        [title, ms(p50), ms(p95), ms(p99), n.toLocaleString("en")];
      times.fill([...own.map(([title, , name]) => [title, frame.model_ms[name]]),
        ["All, from arrival", frame.response_ms]].map(row));
      for (const [, one, name] of own)
        bins.get(name).fill((one.calibration || []).map(({ chance, came, events }) =>
          [share(chance), interval(came), String(events)]));
      const { arrived, decided, late, lost } = frame.counts;
      const drift = frame.drift_psi === null ? "" : ` Drift of popularity (PSI): ${share(frame.drift_psi)}.`;
      const came = `${arrived.toLocaleString("en")} event${arrived === 1 ? "" : "s"} came`;
      write(counts, `${came}, ${decided.toLocaleString("en")} decided ` +
        `(${late} before a list was there, ${lost} refused); ${frame.achieved_per_s.toFixed(1)} answers a second of ` +
        `${frame.offered_per_s.toFixed(1)} asked.${drift}`);
      point(frame, own, protocol);
    }

    /** Of a server that knows of no replay. */
    function empty() {
      for (const one of [quality, cold, times, ...bins.values()]) one.fill([]);
      write(counts, "");
      rolling.clear();
    }

    function point(frame, own, protocol) {
      const now = performance.now();
      const { decided } = frame.counts;
      if (last !== protocol || decided < before) rolling.clear(); // fewer: of another replay
      [last, before] = [protocol, decided];
      if (frame.state !== "playing" || now - at < EVERY) return;
      at = now;
      rolling.add(Object.fromEntries(own.map(([, one, name]) => [name, one["HR@10"]])));
    }
    return { show };
  }

  Object.assign(window.seqrec, { measures });
})();
