"""The compiled book, as a reader's browser sees it: no warning, nothing from outside, no gaps."""

import html
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import chapters
import nbformat
import pytest

import seqrec_lib
from tests.browser import look

ROOT = chapters.ROOT
PAGES = ["index", *re.findall(r"(?:root|file): (\S+)", (ROOT / "_toc.yml").read_text())]
# one of each kind in `make test`: the ledger, and a chapter
CHECKED = ("book/claims", "notebooks/09_self_attention")
READ = [pytest.param(p, marks=[pytest.mark.slow] * (p not in CHECKED)) for p in PAGES[1:]]


def test_the_first_page_leads_to_every_chapter():
    table = (ROOT / "book" / "index.md").read_text().split("How to read it")[1]
    labels = [
        re.match(r"\((\S+)\)=", nbformat.read(path, as_version=4).cells[0].source)[1]
        for path in sorted((ROOT / "notebooks").glob("*.ipynb"))
    ]
    assert [label for label in labels if f"]({label})" not in table] == []


@pytest.fixture(scope="session")
def site(tmp_path_factory) -> Path:
    """The stored chapters and the pages, compiled once with warnings as errors."""
    folder = tmp_path_factory.mktemp("book")
    command = [Path(sys.executable).parent / "jupyter-book", "build", ROOT, "--path-output", folder]
    options = ["-W", "-n", "--keep-going"]
    built = subprocess.run([*command, *options], capture_output=True, text=True, cwd=folder)
    assert built.returncode == 0, built.stderr[-5000:]
    return folder / "_build" / "html"


class Addresses(HTMLParser):
    """Everything that a page makes the browser load, and the text of its scripts."""

    def __init__(self, page: str):
        super().__init__()
        self.loaded: list[str] = []
        self.scripts: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if tag == "script":
            self.scripts.append("")
        if "src" in given or tag == "link":
            self.loaded.append(given.get("src") or given["href"])

    def handle_data(self, data):
        if self.lasttag == "script":
            self.scripts[-1] += data


@pytest.mark.parametrize("page", PAGES)
def test_a_page_names_no_external_script_or_style(site, page):
    path = site / f"{page}.html"
    found = Addresses(path.read_text(encoding="utf-8"))
    assert found.loaded or page == "index"  # the first page only leads to book/index
    for address in found.loaded:
        local = address.split("?")[0].split("#")[0]
        assert address.startswith("data:") or (path.parent / local).exists(), address
    assert not [script for script in found.scripts if re.search(r"(https?:)?//\w", script)]


def test_no_style_sheet_loads_from_outside(site):
    for path in site.rglob("*.css"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"(@import|url\()\s*['\"]?(https?:)?//", text), path


def test_nothing_is_there_that_no_reader_needs(site):
    """Source maps are for who debugs the theme; MathJax, a megabyte, for pages with a formula."""
    assert not list(site.rglob("*.map"))
    pages = {page: (site / f"{page}.html").read_text(encoding="utf-8") for page in PAGES[1:]}
    formulas = {page for page, text in pages.items() if 'class="math' in text}
    assert formulas == {
        page
        for page, text in pages.items()
        if re.search("<script[^>]*mathjax|window.MathJax", text)
    }
    assert 0 < len(formulas) < len(pages) / 2


@pytest.mark.parametrize("page", PAGES[1:])
def test_a_page_says_what_it_is_about_and_of_which_version_it_is(site, page):
    text = (site / f"{page}.html").read_text(encoding="utf-8")
    (said,) = re.findall(r'<meta name="description" content="([^"]*)"', text)
    assert 30 < len(html.unescape(said)) <= 200
    assert f"Version {seqrec_lib.__version__}" in text
    assert re.search(r"Last updated on \d+ \w+ \d{4}", text)
    assert len(re.findall(r'<link rel="icon" href="[./]*_static/favicon.svg', text)) == 1


def test_tables_have_the_number_of_their_chapter_and_their_own(site):
    found = 0
    for page in (p for p in PAGES if p.startswith("notebooks/")):
        text = (site / f"{page}.html").read_text(encoding="utf-8").split("<article")[1]
        numbered = re.search(r'<h1><span class="section-number">([\d.]+) </span>', text)
        chapter = numbered[1] if numbered else ""
        sets = re.split("<b>Table ", text)[1:]
        own = [re.match(r"([\d.]+)\.</b>", one)[1] for one in sets]
        count = len(set(own))
        assert sorted(set(own)) == sorted(f"{chapter}{n + 1}" for n in range(count)), page
        assert text.count("<caption><span>") == len(own), page
        found += bool(chapter and own)
    assert found > 10


def test_a_number_and_its_per_cent_sign_stay_on_one_line(site):
    text = (site / "book" / "claims.html").read_text(encoding="utf-8")
    assert re.search(r"\d</span>\u00a0%", text) and not re.search(r"\d(</span>)? %", text)


@pytest.mark.browser
@pytest.mark.parametrize("page", READ)
def test_a_page_opens_without_an_error_and_with_every_figure(site, page, tmp_path):
    report = look(site, page, tmp_path)
    assert report["problems"] == []
    assert report["search"] == 1
    if page.startswith("notebooks/"):
        notebook = nbformat.read(ROOT / f"{page}.ipynb", as_version=4)
        assert report["images"] == figures(notebook) > 0


@pytest.mark.browser
@pytest.mark.parametrize("page", [p for p in READ if p.values[0].startswith("notebooks/")])
def test_the_finding_stands_on_the_first_screen(site, page, tmp_path):
    for seen in look(site, f"framed/{page}", tmp_path):
        assert 0 < seen["title"] < seen["finding"] < seen["height"], seen
        assert seen["figure"] < seen["height"] - 40, seen  # some of it is seen
        assert seen["wider"] <= 0, seen
        assert (seen["nameless"], seen["uncaptioned"], seen["open"], seen["cells"]) == (
            [],
            0,
            0,
            [],
        )


def figures(notebook) -> int:
    """Pictures that a chapter shows: those of its outputs, and those glued into its prose."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    shown = sum("image/png" in output.get("data", {}) for output in outputs)
    pictures = {
        output.metadata.scrapbook.name
        for output in outputs
        if "scrapbook" in output.get("metadata", {})
        and any(kind.endswith("image/png") for kind in output.data)
    }
    prose = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    glued = re.findall(r"\{glue:\w*\}[ `]*([\w-]+)", prose)
    return shown + sum(key in pictures for key in glued)


@pytest.mark.browser
@pytest.mark.parametrize(
    ("body", "message"),
    [
        ('<img src="nothing.png">', "nothing.png"),
        ('<script src="https://example.com/x.js"></script>', "example.com"),
        ("<script>console.error('said so')</script>", "said so"),
        ("<script>throw new Error('thrown')</script>", "thrown"),
        ('<span class="math">x^2</span>', "x^2"),
    ],
)
def test_a_broken_page_is_noticed(body, message, tmp_path):
    (tmp_path / "page.html").write_text(f"<html><head></head><body>{body}</body></html>")
    assert any(message in problem for problem in look(tmp_path, "page", tmp_path / "p")["problems"])


@pytest.mark.browser
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("page", READ)
def test_nobody_is_kept_from_a_page(site, page, theme, tmp_path):
    assert look(site, f"heard/{theme}/{page}", tmp_path) == []


BARRIERS = {
    '<img src="data:,">': "image-alt",
    "<button></button>": "button-name",
    '<div role="list"><p>no item</p></div>': "aria-required-children",
    '<p style="color: #999">grey on white</p>': "color-contrast",
    '<details><p style="color: #999">grey on white</p></details>': "color-contrast",
    '<p class="sd-tab-content" style="display: none; color: #999">behind</p>': "color-contrast",
    '<iframe title="map" srcdoc="<button></button>"></iframe>': "button-name",
}


@pytest.mark.browser
@pytest.mark.parametrize(("body", "rule"), BARRIERS.items())
def test_a_barrier_is_noticed(body, rule, tmp_path):
    write(tmp_path, body)
    found = look(tmp_path, "heard/light/page", tmp_path / "p")
    assert [one[:2] for one in found] == [[rule, "1400"], [rule, "390"]]


@pytest.mark.browser
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_barrier_in_one_theme_or_at_one_width_is_noticed(theme, tmp_path):
    write(
        tmp_path,
        """<p>black on white</p><script>
        if (localStorage.getItem("theme") == "dark" && innerWidth < 400)
          document.querySelector("p").style.color = "#eee";
        </script>""",
    )
    found = look(tmp_path, f"heard/{theme}/page", tmp_path / "p")
    assert [one[:2] for one in found] == [["color-contrast", "390"]] * (theme == "dark")


def write(folder: Path, body: str) -> None:
    head = "<html lang='en'><head><title>A page</title></head>"
    (folder / "page.html").write_text(f"{head}<body><main><h1>A page</h1>{body}</main></body>")


ACTS = """<script>
let told; // what the page is told of sizes
window.ResizeObserver = class { constructor(told_of) { told = told_of; } observe() {} };
</script>
<script src="reading.js"></script>
<script>
document.documentElement.dataset.theme = "dark";
addEventListener("load", () => setTimeout(() => {
  const [shut, open] = document.querySelectorAll("details");
  for (const event of ["beforeprint", "afterprint"]) {
    dispatchEvent(new Event(event));
    console.error(document.documentElement.dataset.theme, shut.open, open.open);
  }
  const tables = [...document.querySelectorAll(".table-scroll")];
  const say = () => tables.forEach((table) => console.error(table.classList.contains("scrolls")));
  say();
  tables[2].style.width = "auto";
  told([tables[1], tables[2]].map((target) => ({target})));
  setTimeout(say, 200);
}, 1000));
</script>
<style>.fits td { white-space: nowrap } .fits.scrolls td { white-space: normal }</style>
<details></details><details open></details>
<div class="table-scroll fits" style="width: 70px"><table><tr><td>fits once marked</table></div>
<div class="table-scroll fits" style="width: 70px"><table><tr><td>fits once marked</table></div>
<div class="table-scroll" style="width: 50px"><table><tr><td>awordthatiswide</table></div>
<div class="table-scroll"><table><tr><td>awordthatisnot</table></div>"""


@pytest.mark.browser
def test_paper_is_white_and_open_and_a_table_that_is_cut_says_so(tmp_path):
    shutil.copy(ROOT / "book" / "_static" / "reading.js", tmp_path)
    write(tmp_path, f"<style>.table-scroll {{ overflow-x: auto }}</style>{ACTS}")
    seen = look(tmp_path, "page", tmp_path / "p")["problems"]
    assert seen[:2] == ["light true true", "dark false true"]
    assert seen[2:6] == ["true", "true", "true", "false"]
    assert seen[6:] == ["true", "true", "false", "false"]  # the second has not changed its width
