// The page "Play": loads the models on a click, then answers whatever the reader does. What is on
// the page stands in book/play.md; this file joins a source of frames (source.js) with what draws.
"use strict";
(() => {
  const part = (name) => document.getElementById(`seqrec-${name}`);
  const button = part("load");
  if (!button) return;

  button.addEventListener("click", async () => {
    const { load, write } = window.seqrec;
    const say = (words) => write(part("status"), words);
    button.disabled = true;
    try {
      const source = await load(part("box").dataset.place, (name) => say(`Loading: ${name} …`));
      start(source);
    } catch (error) {
      say(`The models could not be loaded: ${error.message}.`);
      button.disabled = false;
      throw error;
    }
    button.parentElement.hidden = true;
    part("step").focus();
  });

  function start(source) {
    const { lists, editor, adder, write } = window.seqrec;
    const { describe, replay } = source;
    const models = source.models.map((one) => ({
      ...one,
      note: `HR@10 over all ${source.people.toLocaleString("en")} people: ` +
        `${one.hr.masked.toFixed(3)} (M), ${one.hr.unmasked.toFixed(3)} (U)`,
    }));
    const board = lists(part("lists"), models, describe);
    const events = editor(part("history"), describe, changed);
    const search = (text, most, found) => found(source.search(text, most));
    adder(part("add"), search, describe, (item) =>
      changed([...history, item], `${describe(item).title} added.`));
    const hits = replay.map(() => null); // by person: which models had what came, by protocol
    let [person, came, frame] = [0, false, null];
    let history = replay[person].history;

    const edited = () => history.join() !== replay[person].history.join();
    const protocol = () => document.querySelector("input[name=seqrec-protocol]:checked").value;

    /** Answer anew and draw; moves are marked where lists are compared with those before. */
    function answer(compare, words = "") {
      const before = frame;
      frame = source.frame(history, protocol(), came ? replay[person].next : null);
      const changes = board.show(frame, compare ? before : null);
      events.show(history);
      state();
      const said = models.map(({ name, title }) =>
        `${title}: ${changes[name].fresh} new, ${changes[name].moved} moved`);
      write(part("said"), [words, ...(compare ? [said.join("; ") + "."] : [])].join(" ").trim());
    }

    function changed(now, words) {
      history = now;
      answer(true, words);
    }

    /** Show a person's history, and what came after it if it `has` come. */
    function turn(to, has) {
      [person, came] = [to, has];
      history = replay[person].history;
      answer(false, has ? `${describe(replay[person].next).title} came next.` : "");
      if (has) count();
    }

    /** Who had what came, after the person's own history, whatever the reader has made of it. */
    function count() {
      const { history: own, next } = replay[person];
      const had = (kind) => Object.entries(source.frame(own, kind, next).lists)
        .filter(([, { rank }]) => rank <= 10).map(([name]) => name);
      hits[person] ||= { masked: had("masked"), unmasked: had("unmasked") };
      state();
    }

    /** What is said of the person, the tally, and which buttons do something. */
    function state() {
      const { history: own, next } = replay[person];
      const film = came ? ` Then came ${describe(next).title}.` : "";
      const rated = `${own.length} films rated so far`;
      write(part("person"), `Person ${person + 1} of ${replay.length}: ${rated}.${film}`);
      const last = came && person === replay.length - 1;
      write(part("step"), last ? "Start again" : came ? "Next person" : "What came next?");
      part("back").disabled = !came && person === 0;
      part("restore").disabled = !edited();
      part("empty").disabled = !history.length;
      const seen = hits.filter(Boolean);
      const tally = models.map(({ name, title }) =>
        `${title} ${seen.filter((one) => one[protocol()].includes(name)).length}`);
      const people = seen.length === 1 ? "1 person" : `${seen.length} people`;
      const so = `Lists of ten that had what came next, of ${people} so far`;
      write(part("tally"), seen.length ? `${so}: ${tally.join(", ")}.` : "");
      const length = Math.max(...models.map((one) => one.length));
      write(part("edited"), edited()
        ? "You have changed this history; the tally goes by the person's own."
        : `The networks read the last ${length} films of a history.`);
      const ms = Math.round(frame.ms);
      write(part("time"), `${models.length} answers in ${ms} ms, in this browser.`);
    }

    part("step").addEventListener("click", () => {
      if (!came) {
        came = true;
        answer(false, `${describe(replay[person].next).title} came next.`);
        count();
      } else turn((person + 1) % replay.length, false);
    });
    part("back").addEventListener("click", () => {
      if (came) turn(person, false);
      else turn(person - 1, true);
      if (part("back").disabled) part("step").focus();
    });
    part("restore").addEventListener("click", () => {
      changed(replay[person].history, "The history is as it was.");
      part("step").focus();
    });
    part("empty").addEventListener("click", () => {
      changed([], "The history is empty.");
      part("add").querySelector("input").focus();
    });
    for (const choice of document.querySelectorAll("input[name=seqrec-protocol]"))
      choice.addEventListener("change", () => answer(true));

    part("page").hidden = false;
    answer(false);
  }
})();
