"""The compiled book, as a reader's browser sees it: no warning, nothing from outside, no gaps."""

import functools
import html
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import chapters
import nbformat
import pytest

ROOT = chapters.ROOT
PAGES = ["index", *re.findall(r"(?:root|file): (\S+)", (ROOT / "_toc.yml").read_text())]
CHECKED = ("book/claims", "notebooks/09_self_attention")
CHROMIUM = next(filter(shutil.which, ("chromium", "chromium-browser", "google-chrome")), None)

# Put before everything else on a page: collects what goes wrong, and reports it in an attribute.
PROBE = """<script>
const problems = [];
const note = (...words) => problems.push(words.join(" "));
console.error = note;
addEventListener("error", e => note(e.message || "not loaded: " + e.target.outerHTML), true);
addEventListener("unhandledrejection", e => note(e.reason));
addEventListener("load", () => setTimeout(() => {
  const unloaded = [...document.images].filter(image => !image.naturalWidth);
  unloaded.forEach(image => note("empty image " + image.src));
  document.querySelectorAll(".math").forEach(
    math => math.querySelector("mjx-container:not(:has(mjx-merror))") || note(math.outerHTML));
  document.documentElement.dataset.report = JSON.stringify({
    problems,
    images: document.images.length,
    search: [...document.querySelectorAll(".search-button__button, input[type=search]")]
      .filter(box => box.checkVisibility()).length,
  });
}, 3000));
</script>"""


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


# A page in frames of the size of a desk's screen and of a phone's; what stands where.
FRAMES = ((1400, 900), (390, 844))
LOOKER = """<html><head></head><body>%s<script>
const seen = frame => {
  const page = frame.contentDocument, main = page.querySelector("article");
  const box = what => (main.querySelector(what) || main).getBoundingClientRect();
  const all = what => [...main.querySelectorAll(what)];
  return {
    width: frame.width, height: +frame.height,
    title: box("h1").bottom, finding: box("h1 ~ .admonition.important").bottom,
    figure: box("figure").top,
    wider: page.documentElement.scrollWidth - frame.contentWindow.innerWidth,
    nameless: all("img").filter(i => !i.alt.trim() || i.alt.includes("/")).map(i => i.src),
    uncaptioned: all(".cell_output table").filter(t => !t.caption).length,
    open: all(".cell:not(.tag_idea) .cell_input").filter(c => !c.closest("details")).length,
    cells: all("td").map(c => c.textContent.trim()).filter(t => /^(NaN|None|nan|<NA>)$/.test(t)),
  };
};
addEventListener("load", () => setTimeout(() => {
  document.documentElement.dataset.report =
    JSON.stringify([...document.querySelectorAll("iframe")].map(seen));
}, 3000));
</script></body></html>"""


class Server(SimpleHTTPRequestHandler):
    """Serves the book with the probe in every page, and each page in frames below /framed/."""

    def do_GET(self):
        if self.path.startswith("/framed/"):
            address = self.path.removeprefix("/framed")
            frames = [f"<iframe src='{address}' width={w} height={h}></iframe>" for w, h in FRAMES]
            return self.answer(LOOKER % "".join(frames))
        path = Path(self.translate_path(self.path))
        if path.suffix != ".html" or not path.exists():
            return super().do_GET()
        page = path.read_text(encoding="utf-8")
        self.answer(re.sub("<head>", lambda head: head[0] + PROBE, page, count=1))

    def answer(self, text):
        page = text.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, format, *args):
        pass


def look(folder: Path, page: str, profile: Path) -> dict:
    """Open one page of a folder in headless Chromium; what the probe found there."""
    if CHROMIUM is None:
        if os.environ.get("CI"):
            pytest.fail("chromium is not installed: apt-get install chromium fonts-dejavu")
        pytest.skip("chromium is not installed: apt-get install chromium fonts-dejavu")
    handler = functools.partial(Server, directory=folder)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=15000"]
        options += ["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]
        options += [f"--user-data-dir={profile}", "--window-size=1300,2000", "--dump-dom"]
        address = f"http://127.0.0.1:{server.server_port}/{page}.html"
        seen = subprocess.run(
            [CHROMIUM, *options, address], capture_output=True, text=True, timeout=120
        )
        server.shutdown()
    report = re.search(r'data-report="([^"]*)"', seen.stdout)
    assert report, f"no report from {page}: {seen.stdout[:500]} {seen.stderr[-2000:]}"
    return json.loads(html.unescape(report[1]))


@pytest.mark.browser
@pytest.mark.parametrize(
    "page",
    # one of each kind in `make test`: the ledger, and a chapter
    [pytest.param(p, marks=[pytest.mark.slow] * (p not in CHECKED)) for p in PAGES[1:]],
)
def test_a_page_opens_without_an_error_and_with_every_figure(site, page, tmp_path):
    report = look(site, page, tmp_path)
    assert report["problems"] == []
    assert report["search"] == 1
    if page.startswith("notebooks/"):
        notebook = nbformat.read(ROOT / f"{page}.ipynb", as_version=4)
        assert report["images"] == figures(notebook) > 0


@pytest.mark.browser
@pytest.mark.parametrize(
    "page",
    [
        pytest.param(p, marks=[pytest.mark.slow] * (p not in CHECKED))
        for p in PAGES
        if p.startswith("notebooks/")
    ],
)
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
