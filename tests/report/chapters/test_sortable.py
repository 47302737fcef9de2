"""The table of all results: its words, its file, and what a reader's clicks do, from a file://."""

import base64
import html
import io
import json
import os
import re
import subprocess

import numpy as np
import pandas as pd
import pytest

from seqrec_lib.data.files import root
from seqrec_lib.report.chapters.results import Row, means
from seqrec_lib.report.chapters.sortable import Sortable
from seqrec_lib.statistics.intervals import TOO_FEW, Interval
from tests.browser import CHROMIUM


@pytest.fixture
def table(made):
    def row(file, name, ranks, minutes, seeds=1):
        run = made(name, *[np.array(ranks)] * seeds)
        return Row(file, f"{name} <b>", run, means(run), 0.04, minutes, 2.0, 1234, "CPU, AMD EPYC")

    rows = [
        row("Beauty", "sasrec", [1, 1, 50, 50], 10.0, seeds=3),
        row("Beauty", "markov", [1, 50, 50, 50], 0.0),
        row("Toys & games", "gru", [50, 50, 50, 50], 9.0),
    ]
    return Sortable(rows, "All rows.", shown="Beauty")


def test_cells_are_in_words(table):
    assert table.table().iloc[0].tolist() == [
        "sasrec <b>", "Beauty", "3", "0.5000", "0.5000 ± 0.9187", "0.5000", "0.5000 ± 0.9187",
        "0.0", "10.0", "2.0", "1,234", "CPU",
    ]  # fmt: skip
    assert table.table()["seeds"].tolist() == ["3", "none", "1"]
    assert repr(table).startswith("All rows.\n")


def test_too_few_seeds_for_an_interval_are_marked(table):
    found = dict(table.rows[0].found) | {"NDCG@10 U": Interval(0.5, 0.4, 0.6, 0.1, TOO_FEW)}
    table.rows[0].__dict__["found"] = found
    assert table.table().loc[0, "NDCG@10 U"] == "0.5000 ± 0.1000*"
    assert "*" not in table.table().loc[0, "NDCG@10 M"]


def test_a_page_without_the_script_has_every_row_and_no_dead_button(table):
    page = table._repr_html_()
    assert page.count("<tr>") == 4 and "<button" not in page
    assert "<caption><span>All rows.</span></caption>" in page
    assert '<form class="results-controls" hidden>' in page
    # every input has its label around it
    assert len(re.findall(r"<label>[^<]+<(?:select|input)", page)) == 3
    assert "<option selected>Beauty</option><option>Toys &amp; games</option>" in page
    assert "sasrec &lt;b&gt;" in page and "<b>" not in page


def test_the_link_is_the_file_itself(table):
    kind, content = table.link().split(",", 1)
    assert kind == "data:text/csv;charset=utf-8;base64"
    read = pd.read_csv(io.BytesIO(base64.b64decode(content)))
    assert read["model"].tolist() == [row.model for row in table.rows]
    assert read["NDCG@10 M"].tolist() == [0.5, 0.25, 0.0]
    assert read["minutes"].tolist() == [10.0, 0.0, 9.0]
    assert f'download="results.csv" href="{table.link()}"' in table._repr_html_()


# What a reader does, and what the page then says.
READER = """<script>addEventListener("load", () => {
  const seen = [], form = document.querySelector("form"), table = document.querySelector("table");
  const heads = [...document.querySelectorAll("thead th")];
  const note = () => seen.push({
    models: [...table.tBodies[0].rows].filter(r => r.checkVisibility()).map(
      r => r.cells[0].textContent[0]),
    sorted: heads.map(h => h.getAttribute("aria-sort") || "").join(""),
    shown: heads.filter(h => h.checkVisibility()).map(h => h.textContent),
    says: form.querySelector("output").textContent,
  });
  const set = (name, value) => {
    form.elements[name].value = value;
    form.elements[name].dispatchEvent(new Event("input", {bubbles: true}));
    note();
  };
  const press = text => {
    heads.find(h => h.textContent === text).querySelector("button").click();
    note();
  };
  note();
  set("file", "");
  press("minutes, in all"); press("minutes, in all"); press("model");
  set("text", "RU"); set("text", "");
  set("protocol", "M"); set("file", "Toys & games");
  document.documentElement.dataset.report = JSON.stringify(seen);
});</script>"""


@pytest.mark.browser
def test_clicks_sort_and_filter_without_a_network(table, tmp_path):
    if CHROMIUM is None:
        if os.environ.get("CI"):
            pytest.fail("chromium is not installed: apt-get install chromium")
        pytest.skip("chromium is not installed: apt-get install chromium")
    static = root() / "book" / "_static"
    page = tmp_path / "page.html"
    page.write_text(
        f"<html><head><link rel=stylesheet href='{static / 'results.css'}'>"
        f"<script defer src='{static / 'results.js'}'></script>{READER}</head>"
        f"<body>{table._repr_html_()}</body></html>"
    )
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"]
    command += ["--virtual-time-budget=3000", f"--user-data-dir={tmp_path / 'profile'}"]
    got = subprocess.run([*command, page.as_uri()], capture_output=True, text=True, timeout=120)
    report = re.search(r'data-report="([^"]*)"', got.stdout)
    assert report, got.stdout[:2000] + got.stderr[-2000:]
    first, every, dearest, cheapest, by_name, found, again, masked, toys = json.loads(
        html.unescape(report[1])
    )
    assert first["models"] == ["s", "m"] and first["says"] == "2 of 3 rows"
    assert every["models"] == ["s", "m", "g"] and every["sorted"] == ""
    assert dearest["models"] == ["s", "g", "m"] and dearest["sorted"] == "descending"
    assert cheapest["models"] == ["m", "g", "s"] and cheapest["sorted"] == "ascending"
    assert by_name["models"] == ["g", "m", "s"] and by_name["sorted"] == "ascending"
    assert found["models"] == ["g"] and again["models"] == ["g", "m", "s"]
    assert "HR@10\u00a0M" in masked["shown"] and "HR@10\u00a0U" not in masked["shown"]
    assert "NDCG@10\u00a0U" in again["shown"]
    assert toys["models"] == ["g"] and toys["says"] == "1 of 3 rows"
