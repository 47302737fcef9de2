"""Drives headless Chromium as a person would: real keys, clicks, sizes and settings, no driver.

The browser talks the Chrome DevTools Protocol over two pipes; https://chromedevtools.github.io has
its methods.
"""

import base64
import json
import os
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.browser import AXE, CHROMIUM


class Browser:
    """One page of a browser, and what it asked for and complained of."""

    def __init__(self, to, answers):
        self._to, self._answers, self._number, self._session = to, answers, 0, None
        self.requests, self.problems = [], []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method, **values):
        self._number += 1
        asked = {"id": self._number, "method": method, "params": values}
        if self._session:
            asked["sessionId"] = self._session
        os.write(self._to, json.dumps(asked).encode() + b"\0")
        while True:
            told = self._told()
            if told.get("id") == self._number:
                assert "error" not in told, f"{method}: {told['error']}"
                return told["result"]

    def _told(self):
        parts = bytearray()
        while (one := self._answers.read(1)) != b"\0":
            assert one, "the browser has gone"
            parts += one
        told = json.loads(parts)
        values = told.get("params", {})
        if told.get("method") == "Network.requestWillBeSent":
            self.requests.append(values["request"]["url"])
        elif told.get("method") == "Runtime.exceptionThrown":
            about = values["exceptionDetails"]
            self.problems.append(about.get("exception", {}).get("description") or about["text"])
        elif told.get("method") == "Runtime.consoleAPICalled" and values["type"] == "error":
            self.problems.append(str(values["args"]))
        elif told.get("method") == "Log.entryAdded" and values["entry"]["level"] == "error":
            self.problems.append(values["entry"]["text"] + " " + values["entry"].get("url", ""))
        return told

    # --- looking ----------------------------------------------------------------------------

    def open(self, address, width=1300, height=1000, **media):
        """``media`` are features such as ``prefers_color_scheme="dark"``."""
        features = [{"name": k.replace("_", "-"), "value": v} for k, v in media.items()]
        self.call("Emulation.setEmulatedMedia", features=features)
        self.size(width, height)
        went = self.call("Page.navigate", url=address)
        assert "errorText" not in went, f"{address}: {went['errorText']}"
        self.until("document.readyState === 'complete'")

    def size(self, width, height):
        mobile = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.call("Emulation.setDeviceMetricsOverride", **mobile)

    def value(self, script):
        """What an expression of JavaScript gives, a promise kept."""
        found = self.call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in found, f"{script}: {found['exceptionDetails']}"
        return found["result"].get("value")

    def until(self, script, seconds=30):
        """Wait until an expression is true, and give it."""
        end = time.monotonic() + seconds
        while not (found := self.value(script)):
            assert time.monotonic() < end, f"it did not come to {script}; {self.problems}"
            time.sleep(0.05)
        return found

    def barriers(self):
        """What axe-core holds against the page: rule and element."""
        if not self.value("Boolean(window.axe)"):
            self.value(AXE.read_text(encoding="utf-8") + "; true")
        found = self.value("axe.run(document, {resultTypes: ['violations']})")["violations"]
        return [(one["id"], node["html"]) for one in found for node in one["nodes"]]

    def picture(self, path):
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=True)
        Path(path).write_bytes(base64.b64decode(shot["data"]))

    def heap(self):
        """Bytes of JavaScript in use after everything unused was let go."""
        self.call("HeapProfiler.collectGarbage")
        return self.call("Runtime.getHeapUsage")["usedSize"]

    # --- acting -----------------------------------------------------------------------------

    def press(self, key):
        """A key by its name (Tab, Enter, a letter); with Shift where it says so: Shift+Tab."""
        *shift, name = key.split("+")
        code = {"Tab": 9, "Enter": 13, " ": 32, "ArrowDown": 40, "ArrowUp": 38}.get(name, 0)
        text = {"Enter": "\r"}.get(name, name if len(name) == 1 else "")
        about = {"key": name, "windowsVirtualKeyCode": code, "modifiers": 8 * bool(shift)}
        self.call("Input.dispatchKeyEvent", type="keyDown", text=text, **about)
        self.call("Input.dispatchKeyEvent", type="keyUp", **about)

    def write(self, text):
        self.call("Input.insertText", text=text)

    def click(self, selector):
        """With the mouse, in the middle of what is seen of an element."""
        script = f"""(() => {{
          const one = document.querySelector({json.dumps(selector)});
          one.scrollIntoView({{block: "center"}});
          const {{x, y, width, height}} = one.getBoundingClientRect();
          return [x + width / 2, y + height / 2];
        }})()"""
        x, y = self.value(script)
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)


@contextmanager
def browser(folder):
    """A browser with nothing but this computer to ask, its profile in ``folder``."""
    if CHROMIUM is None:
        if os.environ.get("CI"):
            pytest.fail("chromium is not installed: apt-get install chromium fonts-dejavu")
        pytest.skip("chromium is not installed: apt-get install chromium fonts-dejavu")
    theirs_in, ours_out = os.pipe()
    ours_in, theirs_out = os.pipe()
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe"]
    options += ["--no-first-run", "--disable-background-networking", f"--user-data-dir={folder}"]
    options += ["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]
    join = f'exec "$0" "$@" 3<&{theirs_in} 4>&{theirs_out}'  # the browser reads 3 and writes 4
    process = subprocess.Popen(
        ["bash", "-c", join, CHROMIUM, *options],
        pass_fds=(theirs_in, theirs_out),
        stderr=subprocess.DEVNULL,
    )
    os.close(theirs_in)
    os.close(theirs_out)
    try:
        with os.fdopen(ours_in, "rb") as answers:
            page = Browser(ours_out, answers)
            yield page
            page._session = None
            page.call("Browser.close")
    finally:
        os.close(ours_out)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
