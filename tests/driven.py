"""Drives headless Chromium as a person would: real keys, clicks, sizes and settings."""

import shutil
import time
from contextlib import contextmanager

from playwright.sync_api import sync_playwright

from tests.browser import AXE, OFFLINE, found_chromium


class Browser:
    """One page of a browser, and what it asked for and complained of."""

    def __init__(self, page):
        self._page, self._session = page, page.context.new_cdp_session(page)
        self.requests, self.problems = [], []
        page.on("request", lambda one: self.requests.append(one.url))
        page.on("pageerror", lambda one: self.problems.append(str(one)))
        page.on("console", self._said)

    def _said(self, message):
        if message.type == "error":
            self.problems.append(f"{message.text} {message.location['url']}")

    def another(self):
        """A page beside this one, in front of it."""
        return Browser(self._page.context.new_page())

    def close(self):
        self._page.close()

    # --- looking ----------------------------------------------------------------------------

    def open(self, address, width=1300, height=1000, **media):
        """``media`` are features such as ``color_scheme="dark"``."""
        self._page.emulate_media(**media)
        self.size(width, height)
        self._page.goto(address)

    def size(self, width, height):
        self._page.set_viewport_size({"width": width, "height": height})

    def value(self, script):
        """What an expression of JavaScript gives, a promise kept.

        By the protocol of the browser: a page whose policy forbids ``eval`` is asked all the same.
        """
        asked = {"expression": script, "returnByValue": True, "awaitPromise": True}
        found = self._session.send("Runtime.evaluate", asked)
        assert "exceptionDetails" not in found, f"{script}: {found['exceptionDetails']}"
        return found["result"].get("value")

    def on_paper(self, script):
        """What an expression gives where the page is printed."""
        self._page.emulate_media(media="print")
        found = self.value(script)
        self._page.emulate_media(media="screen")
        return found

    def until(self, script, seconds=30):
        """Wait until an expression is true, and give it."""
        end = time.monotonic() + seconds
        while not (found := self.value(script)):
            assert time.monotonic() < end, f"it did not come to {script}; {self.problems}"
            self._page.wait_for_timeout(50)
        return found

    def barriers(self):
        """What axe-core holds against the page: rule and element."""
        if not self.value("Boolean(window.axe)"):
            self.value(AXE.read_text(encoding="utf-8") + "; true")
        found = self.value("axe.run(document, {resultTypes: ['violations']})")["violations"]
        return [(one["id"], node["html"]) for one in found for node in one["nodes"]]

    def picture(self, path):
        self._page.screenshot(path=path, full_page=True)

    def heap(self):
        """Bytes of JavaScript in use after everything unused was let go."""
        self._session.send("HeapProfiler.collectGarbage")
        return self._session.send("Runtime.getHeapUsage")["usedSize"]

    # --- acting -----------------------------------------------------------------------------

    def press(self, key):
        """A key by its name (Tab, Enter, a letter); with Shift where it says so: Shift+Tab."""
        self._page.keyboard.press(key)

    def write(self, text):
        self._page.keyboard.insert_text(text)

    def click(self, selector):
        """With the mouse, in the middle of the first such element."""
        self._page.locator(selector).first.click()


@contextmanager
def browser(folder):
    """A browser with nothing but this computer to ask, its profile in ``folder``."""
    with sync_playwright() as driver:
        context = driver.chromium.launch_persistent_context(
            folder, executable_path=shutil.which(found_chromium()), args=["--no-sandbox", OFFLINE]
        )
        try:
            yield Browser(context.pages[0])
        finally:
            context.close()
