"""Opens pages in headless Chromium, without a driver: a probe on the page prints what it found."""

import functools
import html
import json
import os
import re
import shutil
import subprocess
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from pathlib import Path

import pdf
import pytest

CHROMIUM = next(filter(shutil.which, pdf.NAMES), None)
OFFLINE = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
AXE = files("axe_playwright_python") / "axe.min.js"

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
    images: document.querySelectorAll("article img").length, // not the logo
    search: [...document.querySelectorAll(".search-button__button, input[type=search]")]
      .filter(box => box.checkVisibility()).length,
  });
}, 3000));
</script>"""

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

# The same frames in one theme, all that can be opened open, with what axe-core holds against them.
HEARER = """<html><head></head><body><script>
localStorage.setItem("mode", "%s"), localStorage.setItem("theme", "%s");
const listen = frame => new Promise((done, failed) => {
  const script = frame.contentDocument.createElement("script");
  Object.assign(script, {src: "/axe.min.js", onload: done, onerror: failed});
  frame.contentDocument.head.append(script);
});
const heard = async frame => {
  const page = frame.contentDocument;
  page.querySelectorAll("details").forEach(part => part.open = true);
  page.querySelector("#seqrec-load")?.click();
  while (page.querySelector("#seqrec-page")?.hidden)
    await new Promise(soon => setTimeout(soon, 100));
  // what fades in has no colours yet
  const still = "* { animation: none !important; transition: none !important }";
  page.head.insertAdjacentHTML("beforeend",
    `<style>.sd-tab-content { display: block !important } ${still}`);
  for (const one of [frame, ...page.querySelectorAll("iframe")]) await listen(one);
  const {violations} = await frame.contentWindow.axe.run({resultTypes: ["violations"]});
  return violations.filter(one => ["serious", "critical"].includes(one.impact)).flatMap(
    one => one.nodes.map(node => [one.id, frame.width, node.target.join(" "), node.html]));
};
addEventListener("load", () => setTimeout(async () => {
  const found = [];
  for (const frame of document.querySelectorAll("iframe")) found.push(...await heard(frame));
  document.documentElement.dataset.report = JSON.stringify(found);
}, 3000));
</script>%s</body></html>"""


def frames(address: str) -> str:
    return "".join(f"<iframe src='/{address}' width={w} height={h}></iframe>" for w, h in FRAMES)


class Server(SimpleHTTPRequestHandler):
    """Serves the book with the probe in every page, and each page in frames below /framed/.

    Below /heard/light/ and /heard/dark/ axe-core looks at the frames.
    """

    def do_GET(self):
        kind, _, rest = self.path[1:].partition("/")
        if kind == "framed":
            return self.answer(LOOKER % frames(rest))
        if kind == "heard":
            theme, _, address = rest.partition("/")
            return self.answer(HEARER % (theme, theme, frames(address)))
        if self.path == "/axe.min.js":
            return self.answer(AXE.read_text(encoding="utf-8"), "text/javascript")
        path = Path(self.translate_path(self.path))
        if path.suffix != ".html" or not path.exists():
            return super().do_GET()
        page = path.read_text(encoding="utf-8")
        self.answer(re.sub("<head>", lambda head: head[0] + PROBE, page, count=1))

    def answer(self, text, kind="text/html"):
        page = text.encode()
        self.send_response(200)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, format, *args):
        pass


def look(folder: Path, page: str, profile: Path) -> dict:
    """Open one page of a folder in headless Chromium; what the probe found there."""
    handler = functools.partial(Server, directory=folder)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/{page}.html"
        found = opened(address, profile)
        server.shutdown()
    return found


def found_chromium() -> str:
    """Where Chromium is; without it a test is skipped, in CI failed."""
    if CHROMIUM is None:
        said = "chromium is not installed: apt-get install chromium fonts-dejavu"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(said)
    return CHROMIUM


def opened(address: str, profile: Path, size: str = "1300,2000", seconds: int = 120) -> dict:
    """What the page at an address, of a server or of the disk, reports in headless Chromium."""
    chromium = found_chromium()
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=15000"]
    options += [OFFLINE, f"--user-data-dir={profile}", f"--window-size={size}", "--dump-dom"]
    seen = subprocess.run(
        [chromium, *options, address], capture_output=True, text=True, timeout=seconds
    )
    report = re.search(r'data-report="([^"]*)"', seen.stdout)
    assert report, f"no report from {address}: {seen.stdout[:500]} {seen.stderr[-2000:]}"
    return json.loads(html.unescape(report[1]))
