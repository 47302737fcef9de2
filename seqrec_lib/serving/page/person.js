// One person: whom the replay is at, until the reader holds them. Then the history is the reader's
// to change, or to begin again from its first event, and every model answers anew.
"use strict";
window.seqrec = window.seqrec || {};
(() => {
  const SHOWN = 6; // events of a history that are seen at first
  // a button that goes off gives the focus to one that is on, or keys would reach nothing
  const NEXT = { hold: "watch", watch: "hold", restore: "watch", empty: "more", more: "restore" };

  function person(server, models, say) {
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
    let history = []; // as it stands on the page
    let grown = -1; // events of the person's own that a cold start has had; -1: it is none
    let turn = 0; // answers to what was asked before the last change come too late

    /** Which of the events on the page were in a store: they are the person's own, or unknown. */
    const places = () => (latest && history === latest.history ? latest.notes : []);
    const protocol = () => document.querySelector("input[name=seqrec-protocol]:checked").value;
    const whole = () => (latest ? [...latest.history, latest.item] : []);
    const edited = () => held && history.join() !== (latest ? latest.history : []).join();
    const next = () => (latest === null ? null : grown < 0 ? latest.item : whole()[grown] ?? null);

    /** What the stream tells; drawn unless somebody is held. `still`: it waits for the reader. */
    async function watched(now, still) {
      const mine = ++turn;
      const notes = (now.stores || []).map((line) => (line ? "in a store" : ""));
      const told = { ...now, notes, history: now.history.map(String), item: String(now.item) };
      const drawn = server.decided(told, protocol(), numItems);
      const shown = Object.values(drawn.lists).flatMap(({ items }) => items.map(({ item }) => item));
      const seen = still ? told.history : told.history.slice(-SHOWN);
      await server.name([...seen, told.item, ...shown]);
      if (held || mine !== turn) return;
      [latest, history, grown] = [told, told.history, -1];
      draw(drawn, null);
      if (still) await look(mine);
      else looks.clear();
    }

    function draw(now, before) {
      frame = now;
      const changes = board.show(frame, before);
      events.show(history, places());
      state();
      return changes;
    }

    /** Hold the person, so that what the reader does is not overtaken by the replay. */
    async function hold(words = "") {
      if (!held) {
        held = true;
        if (words) say(words);
        const mine = ++turn;
        await server.name(whole());
        if (mine !== turn) return;
        events.show(history, places());
        state();
        await look(mine);
      }
    }

    async function changed(now, words, count = -1) {
      held = true;
      const mine = ++turn;
      [history, grown] = [now, count];
      events.show(history); // at once, so that the reader's place is there to be kept
      const before = frame;
      const answer = await server.ask(history, next(), protocol(), numItems);
      const shown = Object.values(answer.lists).flatMap(({ items }) => items.map(({ item }) => item));
      await server.name([...whole(), ...history, ...shown]);
      if (mine !== turn) return;
      const changes = draw(answer, before);
      const said = models.map(({ name, title }) =>
        `${title}: ${changes[name].fresh} new, ${changes[name].moved} moved`);
      say(`${words} ${said.join("; ")}.`.trim());
      await look(mine);
    }

    /** Let the replay show its people again, beginning with the latest. */
    async function release() {
      if (!latest) await changed([], "");
      [held, grown] = [false, -1];
      if (latest) await watched(latest, false);
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
      const after = came === null ? "" : ` Then came ${describe(came).title}.`;
      write(part("person"), `${own}${mode}: ${events}.${after}`);
      part("hold").disabled = held || !latest;
      part("watch").disabled = !held;
      part("restore").disabled = !edited() && grown < 0;
      part("empty").disabled = !latest || grown === 0;
      part("more").disabled = grown < 0 || grown >= whole().length - 1;
      if (focused && part(focused).disabled) part(NEXT[focused]).focus();
      write(part("looking"), held ? "Of what it read, how much the newest state takes from each event. " +
        "It is no explanation: other shares may give the same list."
        : "Hold the person, or pause, to see how much of each event goes into the newest state.");
      write(part("time"), frame && frame.ms ? `${Object.keys(frame.lists).length} answers in ${frame.ms.toFixed(1)} ms.` : "");
    }

    const on = (name, act) => part(name).addEventListener("click", act);
    on("hold", () => hold("The person is held; the replay goes on behind."));
    on("watch", release);
    on("restore", () => changed(latest ? latest.history : [], "The history is as it was."));
    on("empty", () => changed([], "No event is known.", latest ? 0 : -1));
    on("more", () => changed(whole().slice(0, grown + 1),
      `${describe(whole()[grown]).title} is known too.`, grown + 1));
    for (const choice of document.querySelectorAll("input[name=seqrec-protocol]"))
      choice.addEventListener("change", () => {
        if (held) return changed(history, "", grown);
        return latest && watched(latest, false);
      });
    state();
    return { watched, protocol, hold, release, isHeld: () => held };
  }

  Object.assign(window.seqrec, { person });
})();
