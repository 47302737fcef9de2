"""The page "Play" and the models of an export, as Chromium plays and as Python reads them back."""

import base64
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.data.log import EventLog
from seqrec_lib.models.encoders.gru import GRU
from seqrec_lib.models.encoders.sasrec import SASRec
from seqrec_lib.models.registry import MODELS
from seqrec_lib.serving.served import Served
from tests.browser import AXE, opened

ROOT = Path(__file__).parents[1]
STATIC = ROOT / "book" / "_static" / "demo"
EXPORT = STATIC / "movielens_small"
SHARED = ROOT / "seqrec_lib" / "serving" / "page" / "shared"

ASKING = """<!doctype html><html><head><meta charset="utf-8"></head><body>%s<script>
const {data, kinds, source} = window.seqrec, from = source(data, kinds);
const answers = [];
for (const [history, next] of %s) {
  const frame = {};
  for (const protocol of ["masked", "unmasked"]) {
    const {lists, ms} = from.frame(history, protocol, next, %d);
    frame[protocol] = lists;
    frame.ms = ms;
  }
  answers.push(frame);
}
document.documentElement.dataset.report = JSON.stringify({answers, replay: from.replay});
</script></body></html>"""


def contents(folder: Path) -> dict:
    """What the scripts of an export hold, by name."""
    texts = {path.stem: path.read_text(encoding="utf-8") for path in folder.glob("*.js")}
    return {name: json.loads(text.split(" = ", 1)[1].rstrip(";\n")) for name, text in texts.items()}


def unpacked(text: str, kind: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), dtype=kind)


def apart(packed: str) -> list[list[int]]:
    """Histories with a 0 before each, one by one."""
    items = unpacked(packed, "<u2").astype(int)
    return [one[1:].tolist() for one in np.split(items, np.flatnonzero(items == 0)[1:])]


def restored(folder: Path) -> dict[str, Served]:
    """The library's models with what an export holds: counts counted again, rounded weights."""
    found, files = {}, contents(folder)
    histories = apart(files["events"]["packed"])
    users = np.repeat(np.arange(len(histories)), [len(one) for one in histories])
    table = pd.DataFrame({"user": users, "item": np.concatenate(histories), "time": 0})
    items = np.arange(1, len(files["items"]["titles"]) + 1)
    log = EventLog.build(table, items)
    for about in files["items"]["models"]:
        kind = MODELS[about["kind"]]
        model = kind(Catalogue.learned(log, np.arange(len(log))), kind.Config(**about["config"]))
        if isinstance(model, GRU | SASRec):
            shapes = {name: value.shape for name, value in model.state_dict().items()}
            stored = {name: unpacked(text, "<f2") for name, text in files[about["name"]].items()}
            model.load_state_dict(
                {k: torch.tensor(v.astype(np.float32)).view(shapes[k]) for k, v in stored.items()}
            )
        else:
            model.count(log, np.arange(len(log)))
        found[about["name"]] = Served(model.eval(), items, about["length"], about["name"])
    return found


def answered(folder: Path, questions: list, profile: Path, k: int = 10, seconds: int = 120) -> dict:
    """What Chromium answers from disk to (history, next) each, by protocol and model."""
    scripts = [STATIC / "model.js", STATIC / "source.js", *sorted(folder.glob("*.js"))]
    tags = "".join(f'<script src="{path.resolve().as_uri()}"></script>' for path in scripts)
    profile.mkdir(exist_ok=True)
    page = profile / "asking.html"
    page.write_text(ASKING % (tags, json.dumps(questions), k), encoding="utf-8")
    return opened(page.as_uri(), profile / "chromium", seconds=seconds)


# what a reader does, and what is seen after each step
ACTS = """<script>
const problems = [];
console.error = (...words) => problems.push(words.join(" "));
addEventListener("error", e => problems.push(e.message || e.target.outerHTML), true);
addEventListener("unhandledrejection", e => problems.push(String(e.reason)));
const part = name => document.getElementById("seqrec-" + name);
const soon = () => new Promise(done => setTimeout(done, 50));
const texts = (place, what) => [...place.querySelectorAll(what)].map(one => one.textContent);
addEventListener("securitypolicyviolation", e => problems.push("asked for " + e.blockedURI));
const asking = () => [...document.querySelectorAll("[src], link")];
const requests = () => asking().map(one => one.src || one.href);
const lists = () => Object.fromEntries(texts(document, ".seqrec-column h4").map((name, i) => {
  const column = document.querySelectorAll(".seqrec-column")[i];
  const shown = what => texts(column, "li:not([hidden]) " + what);
  return [name, {
    titles: shown(".seqrec-title"), genres: shown(".seqrec-genres"), heard: shown(".seqrec-heard"),
    came: texts(column, "li.seqrec-came .seqrec-title"), words: texts(column, "p"),
  }];
}));
const history = () => texts(part("history"), "li .seqrec-title");
const focused = () => document.activeElement.ariaLabel || document.activeElement.textContent;
const last = name => [...document.querySelectorAll(`#seqrec-history li:last-of-type button`)]
  .find(one => one.ariaLabel.startsWith(name));
const seen = () => ({
  lists: lists(), history: history(), said: part("said").textContent, focus: focused(),
  person: part("person").textContent, tally: part("tally").textContent,
  top: part("step").getBoundingClientRect().top,
});
addEventListener("load", async () => {
  const report = {before: requests()};
  part("load").click();
  while (part("page").hidden && !problems.length) await soon();
  await soon();
  const step = (name, act) => { act(); report[name] = seen(); };
  step("first", () => {});
  step("swapped", () => last("Move earlier").click());
  step("removed", () => last("Remove").click());
  step("restored", () => part("restore").click());
  step("unmasked", () => document.querySelector("[value=unmasked]").click());
  step("masked", () => document.querySelector("[value=masked]").click());
  const words = part("words");
  Object.assign(words, {value: "matrix thé"}).dispatchEvent(new Event("input"));
  report.found = texts(part("add"), "li");
  step("added", () => part("add").querySelector("li button").click());
  step("none", () => { part("empty").click(); part("step").click(); });
  part("back").click();
  step("came", () => part("step").click());
  step("next", () => part("step").click());
  for (let i = 0; i < 20; i++) {
    if (i % 2 === 0) last("Remove").click(); // before what came is told
    part("step").click();
  }
  step("later", () => {});
  step("back", () => part("back").click());
  step("empty", () => part("empty").click());
  part("restore").click();
  const {violations} = await axe.run({resultTypes: ["violations"]});
  report.barriers = violations.flatMap(one => one.nodes.map(node => [one.id, node.html]));
  report.wider = document.documentElement.scrollWidth - innerWidth;
  report.width = innerWidth;
  parent.postMessage(JSON.stringify({...report, problems, after: requests()}), "*");
});
</script>"""

PHONE = """<html><body><script>
addEventListener("message", ({data}) => (document.documentElement.dataset.report = data));
</script><iframe src="%s" width=390 height=844></iframe></body></html>"""


def page(folder, scripts=ACTS):
    """The hand-written part of the book's page, to be opened from disk."""
    text = (ROOT / "book" / "play.md").read_text(encoding="utf-8")
    (body,) = re.findall(r"```{raw} html\n(.*?)```", text, flags=re.DOTALL)
    body = body.replace("../_static/demo", STATIC.as_uri())
    body = body.replace("../_static", SHARED.as_uri())
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    # whatever a script asks for elsewhere is refused, and told
    rule = "default-src file: 'unsafe-inline'"
    head += f'<meta http-equiv="Content-Security-Policy" content="{rule}">'
    axe = f'<script src="{AXE}"></script>'
    folder.mkdir(exist_ok=True)
    path = folder / "play.html"
    path.write_text(
        f"<!doctype html><html lang='en'><head><title>Play</title>{head}{axe}{scripts}</head>"
        f"<body><main><h1>Play</h1><h2>Here</h2>{body}</main></body></html>",
        encoding="utf-8",
    )
    return path.as_uri()


def framed(folder, scripts=ACTS):
    """The same in a frame as wide as a phone."""
    outer = folder / "phone.html"
    outer.write_text(PHONE % page(folder, scripts))
    return outer.as_uri()
