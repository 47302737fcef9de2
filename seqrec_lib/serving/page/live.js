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
    const from = server();
    const { dataset, plays, models } = await from.about();
    const titles = models.map((one) => one.title).join("; "); // a title may have a comma
    const items = Math.max(...models.map((one) => one.items)).toLocaleString("en");
    const log = dataset ? `Events of ${dataset}, ${items} items. ` : `${items} items. `;
    write(part("about"), `${log}Who answers: ${titles}.`);
    document.title = dataset ? `${dataset}, live: what each model puts next` : document.title;
    const who = person(from, models, say);
    if (plays) steer(from, models, who);
  }

  function steer(from, models, who) {
    part("replay").hidden = part("measures").hidden = false;
    const shown = measures(part("tables"), part("rolling"), part("counts"), models);
    let frame = { state: "idle" };
    let [position, drawn] = [null, -Infinity];

    const rate = () => Number(part("rate").value);
    const runs = () => ["playing", "paused"].includes(frame.state);

    function draw(now) {
      frame = now;
      keep();
      const waits = frame.state !== "playing";
      if (still.matches && !waits && performance.now() - drawn < SELDOM) return;
      drawn = performance.now();
      state();
      shown.show(frame, who.protocol());
      const { latest } = frame;
      if (!latest || who.isHeld()) return;
      const turned = `${latest.position} ${waits}`; // paused, there is more to see of it
      if (turned === position) return;
      position = turned;
      who.watched(latest, waits);
    }

    function state() {
      const words = { idle: "Nothing plays yet.", played: "Played to the end.", stopped: "Stopped." };
      write(part("state"), words[frame.state] || `The replay is ${frame.state}.`);
      write(part("pause"), frame.state === "paused" ? "Go on" : "Pause");
      write(part("start"), runs() ? "Start again" : "Start");
      part("pause").disabled = part("stop").disabled = !runs();
    }

    /** What a button asks for; its answer is told, and the next frame shows it. */
    async function asked(wanted, words) {
      const { state: now } = await wanted;
      frame = { ...frame, state: now };
      state();
      say(words);
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
      await asked(from.pace({ step: true }), "One event more.");
    });
    part("stop").addEventListener("click", async () => {
      await asked(from.replay({ stop: true }), "Stopped.");
      part("start").focus();
    });
    part("rate").addEventListener("change", () => {
      if (runs() && frame.pace?.rate)
        return asked(from.pace({ factor: rate() / frame.pace.rate }), `${rate()} events a second.`);
    });
    part("history").addEventListener("focusin", keep);
    from.watch(draw, (off) =>
      broken(off ? "The server does not answer; the page tries again by itself." : ""));
    state();
  }

  start();
})();
