// One person: whom the replay is at, until the reader holds them. Then the history is the reader's
// to change, or to begin again from its first event, and every model answers anew.
"use strict";
window.seqrec = window.seqrec || {};
(() => {
  // a button that goes off gives the focus to one that is on, or keys would reach nothing
  const NEXT = { hold: "watch", watch: "hold", restore: "watch", empty: "more", more: "restore" };

  /** `plays`: there is a replay to watch. */
  function person(server, models, say, plays) {
    const { lists, editor, adder, attention, write } = window.seqrec;
    const part = (name) => document.getElementById(`seqrec-${name}`);
    const { describe } = server;
    const numItems = Math.max(...models.map((one) => one.items));
    const board = lists(part("lists"), models, describe);
    const looks = attention(part("attention"), models, describe);
    const events = editor(part("history"), describe, changed, "events");
    adder(part("add"), server.search, describe, (item) =>
      changed([...history, item], `${describe(item).title} added.`), "items");

    let [latest, held, frame] = [null, false, null];
    let still = false; // the replay waits for the reader
    let lost = false; // the history on the page had no answer
    let history = []; // as it stands on the page
    let grown = -1; // events of the person's own that a cold start has had; -1: it is none
    let turn = 0; // answers to what was asked before the last change come too late

    /** Which of the events on the page were in a store: they are the person's own, or unknown. */
    const places = () => (latest && history === latest.history ? latest.notes : []);
    const protocol = () => document.querySelector("input[name=seqrec-protocol]:checked").value;
    const whole = () => (latest ? [...latest.history, latest.item] : []);
    const edited = () => held && history.join() !== (latest ? latest.history : []).join();
    const next = () => (latest === null ? null : grown < 0 ? latest.item : whole()[grown] ?? null);

    /**
     * What the stream tells, as it `stands` still or not; drawn, compared with a frame `before`, and
     * what changed is given, unless somebody is held.
     */
    async function watched(now, stands, before = null) {
      const mine = ++turn;
      const notes = (now.stores || []).map((line) => (line ? "in a store" : ""));
      const told = { ...now, notes, history: now.history.map(String), item: String(now.item) };
      const drawn = server.decided(told, protocol(), numItems);
      const shown = Object.values(drawn.lists).flatMap(({ items }) => items.map(({ item }) => item));
      const seen = stands ? told.history : told.history.slice(-events.shown());
      await server.name([...seen, told.item, ...shown]);
      if (held || mine !== turn) return;
      [latest, history, grown, still] = [told, told.history, -1, stands];
      const changes = draw(drawn, before);
      if (still) look(mine);
      else looks.clear();
      return changes;
    }

    function draw(now, before) {
      [frame, lost] = [now, false];
      const changes = board.show(frame, before);
      events.show(history, places());
      state();
      return changes;
    }

    function tell(words, changes) {
      const said = models.map(({ name, title }) =>
        `${title}: ${changes[name].fresh} new, ${changes[name].moved} moved`);
      say(`${words} ${said.join("; ")}.`.trim());
    }

    /** Hold the person, so that what the reader does is not overtaken by the replay. */
    async function hold(words = "") {
      if (!held) {
        held = true;
        if (words) say(words);
        state();
        const mine = ++turn;
        await server.name(whole());
        if (mine !== turn) return;
        events.show(history, places());
        await look(mine);
      }
    }

    async function changed(now, words, count = -1) {
      held = true;
      const mine = ++turn;
      [history, grown] = [now, count];
      events.show(history); // at once, so that the reader's place is there to be kept
      state();
      const before = frame;
      let answer;
      try {
        answer = await server.ask(history, next(), protocol(), numItems);
        const shown = Object.values(answer.lists).flatMap(({ items }) => items.map(({ item }) => item));
        await server.name([...whole(), ...history, ...shown]);
      } catch (error) {
        if (mine === turn) unanswered();
        throw error;
      }
      if (mine !== turn) return;
      tell(words, draw(answer, before));
      await look(mine);
    }

    /** Lists of another history must not stand beside this one. */
    function unanswered() {
      lost = true;
      board.show({ lists: {}, lacks: "the server has not answered." });
      looks.clear();
      state();
    }

    /** The server may have been away: draw what it could not answer. */
    function again() {
      if (held) return lost && changed(history, "", grown);
      return latest && watched(latest, still);
    }

    /** Let the replay show its people again, beginning with the latest. */
    async function release() {
      if (!latest) await changed([], "");
      [held, grown] = [false, -1];
      if (latest) await watched(latest, still);
      else state();
    }

    async function look(mine) {
      if (models.every((one) => one.attention)) return;
      const { models: found } = await server.attention(history);
      if (mine === turn) looks.show(found, history);
    }

    function state() {
      const focused = Object.keys(NEXT).find((name) => part(name) === document.activeElement);
      const [count, came] = [history.length, next()];
      const own = latest ? `Person ${latest.user}` : "Nobody yet";
      const mode = !held ? "" : grown >= 0 ? ", as if new here" : edited() ? ", history changed by you" : ", held";
      const events = `${count.toLocaleString("en")} event${count === 1 ? "" : "s"} so far`;
      const changes = edited() && grown < 0; // what came did not come after what is seen
      const after = changes ? "After their own history came" : "Then came";
      const then = came === null ? "" : ` ${after} ${describe(came).title}.`;
      write(part("person"), `${own}${mode}: ${events}.${then}`);
      part("hold").disabled = held || !latest;
      part("watch").disabled = !held || !plays;
      part("restore").disabled = !edited() && grown < 0;
      part("empty").disabled = !latest || grown === 0;
      part("more").disabled = grown < 0 || grown >= whole().length - 1;
      if (focused && part(focused).disabled) {
        const wanted = part(NEXT[focused]);
        (wanted.disabled ? part("words") : wanted).focus();
      }
      write(part("looking"), held || still ? "Of what it read, how much the newest state takes from each event. " +
        "It is no explanation: other shares may give the same list."
        : "Hold the person, or pause, to see how much of each event goes into the newest state.");
      write(part("time"), frame && frame.ms && !lost ? `${Object.keys(frame.lists).length} answers in ${frame.ms.toFixed(1)} ms.` : "");
    }

    const on = (name, act) => part(name).addEventListener("click", act);
    on("hold", () => hold("The person is held; the replay goes on behind."));
    on("watch", release);
    on("restore", () => changed(latest ? latest.history : [], "The history is as it was."));
    on("empty", () => changed([], "No event is known.", latest ? 0 : -1));
    on("more", () => changed(whole().slice(0, grown + 1),
      `${describe(whole()[grown]).title} is known too.`, grown + 1));
    for (const choice of document.querySelectorAll("input[name=seqrec-protocol]"))
      choice.addEventListener("change", async () => {
        if (held) return changed(history, "", grown);
        const changes = latest && await watched(latest, still, frame);
        if (changes) tell("", changes);
      });
    state();
    return { watched, protocol, hold, release, again, isHeld: () => held };
  }

  Object.assign(window.seqrec, { person });
})();
