#!/usr/bin/env python3
"""Reads the HTML edition as a reader does: dev/browser.py BOOK [--shots DIR] (see dev/browser.sh).

Opens each page of the folder BOOK in headless Chromium, 390 and 1280 pixels wide, light and dark, and fails if the console
has an error, if the page asks for anything but files of the book, if it scrolls sideways, or if something on it does not
do what it is for: options, folds, the switch, ticks, sliders. It speaks WebDriver to chromedriver, with Python's own library.
"""
import argparse
import base64
import json
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

WIDTHS = (390, 1280)
THEMES = ("light", "dark")
ENTER, RIGHT = "\ue007", "\ue014"
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--hide-scrollbars",
]  # fmt: skip


class Browser:
    """A session of chromedriver."""

    def __init__(self, profile):
        self.driver = subprocess.Popen(
            ["chromedriver", "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        port = None
        for line in self.driver.stdout:  # "… was started successfully on port 12345."
            if "on port" in line and "successfully" in line:
                port = line.rstrip(". \n").split()[-1]
                break
        if port is None:
            sys.exit("error: chromedriver does not start")
        self.url = f"http://127.0.0.1:{port}/session"
        options = {"args": [*FLAGS, f"--user-data-dir={profile}"], "binary": shutil.which("chromium")}
        wanted = {"browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
        session = self.call("POST", "", {"capabilities": {"alwaysMatch": wanted}})
        self.url += "/" + session["sessionId"]

    def call(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, {"Content-Type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise RuntimeError(json.load(error)["value"]["message"].split("\n")[0]) from error

    def devtools(self, command, **params):
        return self.call("POST", "/goog/cdp/execute", {"cmd": command, "params": params})

    def look(self, width, theme):
        self.devtools(
            "Emulation.setDeviceMetricsOverride", width=width, height=844 if width < 600 else 900, deviceScaleFactor=1,
            mobile=False,
        )  # fmt: skip
        self.devtools("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": theme}])

    def open(self, url):
        self.call("POST", "/url", {"url": url})

    def js(self, script, *args):
        return self.call("POST", "/execute/sync", {"script": script, "args": list(args)})

    def all(self, selector):
        return self.call("POST", "/elements", {"using": "css selector", "value": selector})

    def click(self, element):
        self.js("arguments[0].scrollIntoView({block: 'center'})", element)
        self.call("POST", f"/element/{element[ELEMENT]}/click", {})

    def press(self, element, keys):
        self.call("POST", f"/element/{element[ELEMENT]}/value", {"text": keys})

    def console(self):
        return [entry["message"] for entry in self.call("POST", "/se/log", {"type": "browser"}) if entry["level"] == "SEVERE"]

    def shot(self, path, full=False):
        params = {"captureBeyondViewport": True} if full else {}
        if full:
            size = self.js("return [document.documentElement.clientWidth, document.documentElement.scrollHeight]")
            params["clip"] = {"x": 0, "y": 0, "width": size[0], "height": min(size[1], 12000), "scale": 1}
        path.write_bytes(base64.b64decode(self.devtools("Page.captureScreenshot", **params)["data"]))

    def close(self):
        try:
            self.call("DELETE", "")
        finally:
            self.driver.terminate()
            self.driver.wait()


class Reader:
    """Opens pages and counts what it tried and what was wrong."""

    def __init__(self, browser, book):
        self.browser, self.book = browser, book
        self.wrong, self.tried = [], {}
        self.place = ""

    def expect(self, what, true):
        self.tried[what] = self.tried.get(what, 0) + 1
        if not true:
            self.wrong.append(f"{self.place}: {what}")

    def page(self, path, width, theme):
        browser = self.browser
        self.place = f"{path.relative_to(self.book)} ({width} px, {theme})"
        browser.look(width, theme)
        browser.open(path.as_uri())
        self.expect("it does not scroll sideways", browser.js(
            "return document.documentElement.scrollWidth <= document.documentElement.clientWidth"))  # fmt: skip
        outside = browser.js("return performance.getEntriesByType('resource').map(e => e.name).filter(n => !n.startsWith('file:'))")
        self.expect(f"it asks for nothing but files {outside or ''}".strip(), not outside)
        self.expect("it is light or dark as asked", browser.js(
            "return getComputedStyle(document.body).backgroundColor.match(/\\d+/g).slice(0, 3).every(c => +c > 128)"
        ) == (theme == "light"))  # fmt: skip

    def no_errors(self):
        errors = self.browser.console()
        self.expect(f"the console has no error {errors or ''}".strip(), not errors)

    def predictions(self, path):
        """An option, a key and the switch each show what they should; the choice and the switch are kept."""
        browser = self.browser
        opened = "return [...document.querySelectorAll('details.answer')].map(a => a.open)"
        if not browser.all("details.answer"):
            return
        self.expect("answers are folded at first", not any(browser.js(opened)))
        for option in browser.all(".predict .option:first-child"):
            browser.click(option)
            shown = "const n = arguments[0].closest('.predict').dataset.prediction;" \
                "return [...document.querySelectorAll(`details.answer[data-prediction='${n}']`)].every(a => a.open && a.offsetHeight > 60)"
            self.expect("an option shows the answer", browser.js(shown, option))
        before = browser.js(opened)
        browser.open(path.as_uri())
        self.expect("a choice is kept", browser.js(opened) == before)
        browser.js("localStorage.clear()")
        browser.open(path.as_uri())
        browser.press(browser.all("details.answer summary")[0], ENTER)
        self.expect("a key shows an answer", browser.js(opened)[0])
        browser.click(browser.all(".show-all")[0])
        self.expect("the switch shows all answers", all(browser.js(opened)))
        browser.open(path.as_uri())
        self.expect("the switch is kept", all(browser.js(opened)))
        browser.click(browser.all(".show-all")[0])
        self.expect("the switch folds them again", not any(browser.js(opened)))

    def sliders(self):
        """Each slider, moved by a key, shows another frame."""
        browser = self.browser
        for slider in browser.all(".frames-bar input[type=range]"):
            browser.js("for (let d = arguments[0].closest('details'); d; d = d.parentElement.closest('details')) d.open = true", slider)
            now = "const strip = arguments[0].closest('.frames-bar').previousElementSibling;" \
                "return strip.getAttribute('viewBox') ?? strip.querySelector('.now').textContent"
            before = browser.js(now, slider)
            browser.press(slider, RIGHT)
            self.expect("a slider shows another frame", browser.js(now, slider) != before)

    def sections(self, path):
        """Ticks are kept and shown, the bar says where one is, and the page offers to go on there."""
        browser = self.browser
        ticks = browser.all(".tick input")
        if not ticks:
            return
        browser.click(ticks[0])
        self.expect("a tick is in the contents", browser.js("return !!document.querySelector('.contents a.read')"))
        last = "const all = document.querySelectorAll('main > h2'); const h = all[all.length - 1];"
        browser.js(last + "h.scrollIntoView()")
        number = browser.js("return document.querySelectorAll('main > h2').length")
        self.expect("the bar says where one is", self.wait(
            f"return document.querySelector('.bar .where').textContent.startsWith('§ {number}/{number}')"))  # fmt: skip
        browser.open(path.as_uri())
        self.expect("a tick is kept", browser.js("return document.querySelector('.tick input').checked"))
        self.expect("one may go on where one was", number < 2 or browser.js("return !!document.querySelector('.resume a')"))
        browser.open((self.book / "index.html").as_uri())
        self.expect("the list says what was read", browser.js("return !!document.querySelector('.chapters .read')"))

    def wait(self, condition):
        for _ in range(50):
            if self.browser.js(condition):
                return True
            time.sleep(0.02)
        return False


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("book", type=Path)
    parser.add_argument("--shots", type=Path, metavar="DIR", help="pictures of each page, whole and of its first screen")
    args = parser.parse_args()
    book = args.book.resolve()
    pages = sorted(book.rglob("*.html"))
    if not pages:
        sys.exit(f"error: no pages in {book}")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = Browser(profile)
        reader = Reader(browser, book)
        try:
            for path in pages:
                for width in WIDTHS:
                    for theme in THEMES:
                        reader.page(path, width, theme)
                        if args.shots:
                            args.shots.mkdir(parents=True, exist_ok=True)
                            name = "-".join(path.relative_to(book).with_suffix("").parts) + f"-{width}-{theme}"
                            browser.shot(args.shots / f"{name}.png")
                            browser.shot(args.shots / f"{name}-whole.png", full=True)
                        if theme == "light":
                            browser.js("localStorage.clear()")
                            browser.open(path.as_uri())
                            reader.predictions(path)
                            reader.sliders()
                            reader.sections(path)
                        reader.no_errors()
                        browser.js("localStorage.clear()")
        finally:
            browser.close()
    for what, times in reader.tried.items():
        print(f"{times:5} × {what}")
    for why in reader.wrong:
        print(f"error: {why}", file=sys.stderr)
    print(f"{len(pages)} pages, {len(reader.wrong)} problems")
    sys.exit(bool(reader.wrong))


if __name__ == "__main__":
    main()
