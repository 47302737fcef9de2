"""The models of an export, as Python reads them back and as Chromium answers by them."""

import base64
import json
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
from tests.browser import opened

ROOT = Path(__file__).parents[1]
STATIC = ROOT / "book" / "_static" / "demo"
EXPORT = STATIC / "movielens_small"

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
