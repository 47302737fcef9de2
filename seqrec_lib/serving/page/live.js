// The live page: joins the server's stream (stream.js) with what draws, and steers the replay.
"use strict";
(() => {
  const { server, person, measures, write } = window.seqrec;
  const part = (name) => document.getElementById(`seqrec-${name}`);
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  const SELDOM = 2000; // milliseconds between two drawings for who wants little motion

  const say = (words) => write(part("said"), words);
  const broken = (words) => write(part("broken"), words);
  addEventListener("unhandledrejection", ({ reason }) => broken(`${reason.message || reason}.`));

  async function start() {
    const from = server(() => broken(""));
    const about = await from.about();
    const { dataset, plays, models } = about;
    const titles = models.map((one) => one.title).join("; "); // a title may have a comma
    const items = Math.max(...models.map((one) => one.items)).toLocaleString("en");
    const log = dataset ? `Events of ${dataset}, ${items} items. ` : `${items} items. `;
    write(part("about"), `${log}Who answers: ${titles}.`);
    document.title = dataset ? `${dataset}, live: what each model puts next` : document.title;
    const who = person(from, models, say, plays);
    if (plays) steer(from, about, who);
  }

  function steer(from, about, who) {
    const { models } = about;
    part("replay").hidden = part("measures").hidden = false;
    const shown = measures(part("tables"), part("rolling"), part("counts"), models);
    let frame = { state: "idle" };
    let [position, waited, drawn] = [null, false, -Infinity];
    let there = false; // the server is the one that the page was made for
    let stepped = false; // the reader waits for one event

    const rate = () => Number(part("rate").value);
    const runs = () => ["playing", "paused"].includes(frame.state);

    async function draw(now) {
      if (!there) return;
      frame = now;
      keep();
      const waits = frame.state !== "playing";
      if (still.matches && !waits && performance.now() - drawn < SELDOM) return;
      drawn = performance.now();
      state();
      shown.show(frame, who.protocol());
      const { latest } = frame;
      if (!latest || who.isHeld()) return;
      const came = latest.position !== position;
      if (!came && waits === waited) return; // once it waits, there is more to see of it
      [position, waited] = [latest.position, waits];
      const changes = await who.watched(latest, waits);
      if (changes && came && stepped) say(part("person").textContent);
    }

    function state() {
      const words = { idle: "Nothing plays yet.", played: "Played to the end.", stopped: "Stopped." };
      write(part("state"), words[frame.state] || `The replay is ${frame.state}.`);
      write(part("pause"), frame.state === "paused" ? "Go on" : "Pause");
      write(part("start"), runs() ? "Start again" : "Start");
      const within = [part("pause"), part("stop")].includes(document.activeElement);
      part("pause").disabled = part("stop").disabled = !runs();
      if (within && !runs()) part("start").focus(); // or keys would reach nothing
      const { rate: begun, factor = 1 } = frame.pace || {};
      const option = [...part("rate").options].find(({ value }) => Number(value) === begun * factor);
      if (option && runs() && document.activeElement !== part("rate")) option.selected = true;
    }

    /** What a button asks for; its answer is told, if in `words`, and the next frame shows it. */
    async function asked(wanted, words) {
      stepped = !words;
      const { state: now } = await wanted;
      frame = { ...frame, state: now };
      state();
      if (words) say(words);
    }

    /** A history that changes under the keys of who goes through it cannot be changed by them. */
    function keep() {
      const within = part("history").contains(document.activeElement);
      if (within && frame.state === "playing" && !who.isHeld())
        return who.hold("The person is held, so that you can change the history.");
    }

    async function begin(paused) {
      const begun = rate(); // the next frame says so too
      const found = await from.replay({ rate: begun, paused });
      frame = { ...frame, pace: { rate: begun } };
      position = null;
      return found;
    }

    part("start").addEventListener("click", async () => {
      if (who.isHeld()) await who.release();
      await asked(begin(false), "The replay has started.");
    });
    part("pause").addEventListener("click", () => {
      const paused = frame.state === "playing";
      return asked(from.pace({ paused }), paused ? "Paused." : "The replay goes on.");
    });
    part("step").addEventListener("click", async () => {
      if (who.isHeld()) await who.release();
      if (!runs()) await begin(true);
      await asked(from.pace({ step: true })); // in place of words the event is told, once it is drawn
    });
    part("stop").addEventListener("click", () => asked(from.replay({ stop: true }), "Stopped."));
    part("rate").addEventListener("change", () => {
      if (runs() && frame.pace?.rate)
        return asked(from.pace({ factor: rate() / frame.pace.rate }), `${rate()} events a second.`);
    });
    part("history").addEventListener("focusin", keep);

    /** A server that was started anew may have other models or data, which need another page. */
    async function opened() {
      there = false;
      if (JSON.stringify(await from.about()) !== JSON.stringify(about)) return location.reload();
      [there, position] = [true, null];
      return who.again();
    }

    from.watch(draw, (off) => {
      broken(off ? "The server does not answer; the page tries again by itself." : "");
      return off || opened();
    });
    state();
  }

  start();
})();
