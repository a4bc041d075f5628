"""A headless Chromium, driven through chromedriver's own HTTP interface (W3C WebDriver). Skips, and says so, where
there is none.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--window-size=1400,800",
)
# Runs before anything of a page and outside of its policy. The browser's own log is no use here: what Chromium
# itself fails to fetch in the background stands in it, too.
_COLLECT_COMPLAINTS = """
window.complaints = [];
addEventListener("error", (event) => complaints.push("error: " + (event.message || event.target.outerHTML)), true);
addEventListener("unhandledrejection", (event) => complaints.push("rejection: " + event.reason));
addEventListener("securitypolicyviolation", (event) =>
  complaints.push("policy: " + event.violatedDirective + " " + event.blockedURI), true);
for (const name of ["error", "warn"]) {
    const print = console[name];
    console[name] = (...values) => (complaints.push("console: " + values.join(" ")), print.apply(console, values));
}
"""
_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the key of an element in WebDriver's JSON


class Browser:
    """One window."""

    def __init__(self, http: httpx.Client, session: str) -> None:
        self._http, self._session = http, session
        install = {"cmd": "Page.addScriptToEvaluateOnNewDocument", "params": {"source": _COLLECT_COMPLAINTS}}
        self._post("goog/cdp/execute", install)

    def open(self, page: Path, fragment: str = "") -> None:
        """Load a file as if it were new."""
        self._post("url", {"url": "about:blank"})
        self._post("url", {"url": page.as_uri() + (f"#{fragment}" if fragment else "")})

    def run(self, script: str) -> Any:
        """The value that a function body gives."""
        return self._post("execute/sync", {"script": script, "args": []})

    def texts(self, selector: str) -> list[str]:
        """What the elements show."""
        found: list[str] = self.run(
            f"return [...document.querySelectorAll({selector!r})].map((each) => each.innerText)"
        )
        return found

    def click(self, selector: str) -> None:
        """Click on the first element, as a mouse would."""
        element = self._post("element", {"using": "css selector", "value": selector})[_ELEMENT]
        self._post(f"element/{element}/click", {})

    def press(self, key: str) -> None:
        """Press and release a key."""
        actions = [{"type": "keyDown", "value": key}, {"type": "keyUp", "value": key}]
        self._post("actions", {"actions": [{"type": "key", "id": "keys", "actions": actions}]})

    def resize(self, width: int, height: int) -> None:
        """Make the window so large."""
        self._post("window/rect", {"width": width, "height": height})

    def complaints(self) -> list[str]:
        """What is wrong with the page: script errors, what its policy refused, and whatever it fetched."""
        fetched = "performance.getEntriesByType('resource').map((entry) => 'fetched: ' + entry.name)"
        found: list[str] = self.run(f"return [...window.complaints, ...{fetched}]")
        return found

    def screenshot(self) -> bytes:
        """The window as PNG."""
        answer = self._http.get(f"/session/{self._session}/screenshot")
        return b64decode(answer.json()["value"])

    def _post(self, command: str, body: dict[str, Any]) -> Any:
        answer = self._http.post(f"/session/{self._session}/{command}", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()["value"]


@contextmanager
def chromium(profile: Path) -> Iterator[Browser]:
    """A browser with a profile of its own."""
    driver, program = shutil.which("chromedriver"), shutil.which("chromium") or shutil.which("google-chrome")
    if driver is None or program is None:
        pytest.skip(
            "no chromium and chromedriver here: the page is not tested in a browser "
            "(apt-get install chromium chromium-driver)"
        )
    with subprocess.Popen([driver, "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{_port(process)}", timeout=60, trust_env=False) as http:
                session = _session(http, program, profile)
                try:
                    yield Browser(http, session)
                finally:
                    http.delete(f"/session/{session}")
        finally:
            process.terminate()
            process.communicate()


def _port(process: subprocess.Popen[str]) -> int:
    assert process.stdout is not None
    for line in process.stdout:
        if found := re.search(r"started successfully on port (\d+)", line):
            return int(found[1])
    raise AssertionError("chromedriver did not start")


def _session(http: httpx.Client, program: str, profile: Path) -> str:
    options = {"binary": program, "args": [*ARGUMENTS, f"--user-data-dir={profile}"]}
    wanted = {"browserName": "chrome", "goog:chromeOptions": options}
    answer = http.post("/session", json={"capabilities": {"alwaysMatch": wanted}})
    assert answer.status_code == 200, answer.text
    session: str = answer.json()["value"]["sessionId"]
    return session
