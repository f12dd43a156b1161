"""Debian's chromium without a window, driven by its own driver: pages as people see them, and what no page may do.

Names of hosts are not resolved: a page that asks another one than the test's own server is found out, and gets nothing.
"""

import base64
import json
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.remote_connection import RemoteConnection
from selenium.webdriver.support.wait import WebDriverWait

WIDE = (1280, 900)
NARROW = (375, 812)
_SWITCHES = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage"),
    *(
        "--disable-extensions",
        "--hide-scrollbars",
        "--lang=en",
        "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
    ),
)
_LOGS = {"browser": "ALL", "performance": "ALL"}
_PAGE_SCHEMES = frozenset({"http", "https", "ws", "wss", "ftp"})
WAIT_S = 60.0
_ANSWER_S = 180.0
"""For one command to the driver: Selenium before 4.26 waits for ever for a browser that hangs."""
_CHECKS = Path(__file__).with_name("page_checks")


@dataclass(kw_only=True)
class Browser:
    """One browser with a profile of its own, as if just installed."""

    driver: Any
    _asked: list[str] = field(default_factory=list)
    _complaints: list[str] = field(default_factory=list)

    def open(self, url: str) -> None:
        """Open a page, and wait until it has loaded."""
        self.driver.get(url)

    @property
    def url(self) -> str:
        return str(self.driver.current_url)

    @property
    def path(self) -> str:
        """Return the path and the query of the page."""
        parts = urlsplit(self.url)
        return f"{parts.path}?{parts.query}" if parts.query else parts.path

    @property
    def text(self) -> str:
        """Return all text that a person sees."""
        return str(self.driver.find_element(By.TAG_NAME, "body").text)

    @property
    def source(self) -> str:
        return str(self.driver.page_source)

    def find(self, css: str) -> Any:
        """Return the first element that a selector names, at once; NoSuchElementException: there is none."""
        return self.driver.find_element(By.CSS_SELECTOR, css)

    def find_all(self, css: str) -> list[Any]:
        return list(self.driver.find_elements(By.CSS_SELECTOR, css))

    def follow(self, text: str) -> None:
        """Click the link with this text, and wait for the page that it leads to."""
        self._leave(self.driver.find_element(By.LINK_TEXT, text))

    def go(self, css: str) -> None:
        """Click the link that a selector names, and wait for the page that it leads to."""
        self._leave(self.find(css))

    def press(self, text: str) -> None:
        """Click the button with this text, and wait for the page that comes back."""
        wanted = f"//button[normalize-space()={json.dumps(text)}]"
        self._leave(self.driver.find_element(By.XPATH, wanted))

    def fill(self, **values: str) -> None:
        """Write into the fields with these names."""
        for name, value in values.items():
            element = self.driver.find_element(By.NAME, name)
            element.clear()
            element.send_keys(value)

    def choose(self, name: str, value: str) -> None:
        """Choose an option, a radio button or a box by the name of its field and its value, as with the mouse."""
        css = f"select[name={json.dumps(name)}] option[value={json.dumps(value)}]"
        found = self.find_all(css) or self.find_all(f"input[name={json.dumps(name)}][value={json.dumps(value)}]")
        assert found, f"no {name} = {value} on {self.url}"
        if not found[0].is_selected():
            found[0].click()

    def wait_for(self, text: str, seconds: float = WAIT_S) -> None:
        """Wait until the page shows a text, without another click."""
        self._wait(lambda _driver: text in self.text, seconds, f"{text!r} is not on {self.url}")

    def wait_for_change(self, css: str, before: str) -> None:
        """Wait until an element has another text, without another click."""
        self._wait(lambda _driver: self.find(css).text != before, WAIT_S, f"{css} stays {before!r} on {self.url}")

    def _leave(self, element: Any) -> None:
        before = self.find("html").id
        element.click()
        self._wait(lambda _driver: self.find("html").id != before and self._loaded(), WAIT_S, "the page stays")

    def _loaded(self) -> bool:
        return bool(self.script("return document.readyState === 'complete'"))

    def _wait(self, condition: Any, seconds: float, words: str) -> None:
        ignored = (Exception,)  # an element of the page before may be gone
        WebDriverWait(self.driver, seconds, poll_frequency=0.1, ignored_exceptions=ignored).until(condition, words)

    def script(self, code: str, *arguments: object) -> Any:
        """Run a script of the test's own, also where those of the page are off."""
        return self.driver.execute_script(code, *arguments)

    def resize(self, size: tuple[int, int]) -> None:
        """Make the page as large as a window of that size would."""
        values = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", values)

    def prefer(self, scheme: str) -> None:
        """Prefer `light` or `dark`."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def screenshot(self, file: Path) -> None:
        """Keep a picture of the whole page (PNG), up to its full length."""
        file.parent.mkdir(parents=True, exist_ok=True)
        self.script("scrollTo(0, 0)")  # else what is sticky hangs in the middle of the picture
        shown = self.driver.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True, "format": "png"})
        file.write_bytes(base64.b64decode(shown["data"]))

    def screenshots(self, directory: Path, name: str) -> None:
        """Keep pictures of the page: light, dark, and 375 px wide; it is wide and light afterwards."""
        for scheme in ("dark", "light"):
            self.prefer(scheme)
            self.screenshot(directory / f"{name}-{scheme}.png")
        self.resize(NARROW)
        self.screenshot(directory / f"{name}-375.png")
        self.resize(WIDE)

    def faults(self) -> list[str]:
        """Return what is wrong with the page: contrast below 4.5 in a scheme, no label, too wide for its window."""
        found = list(self._check("labels"))
        for scheme in ("dark", "light"):
            self.prefer(scheme)
            found += [f"{scheme}: contrast {one}" for one in self._check("contrast", 4.5)]
        for size in (NARROW, WIDE):
            self.resize(size)
            found += [f"{size[0]} px: {one}" for one in self._check("overflow")]
        return found

    def _check(self, name: str, *arguments: object) -> list[str]:
        return [str(one) for one in self.script((_CHECKS / f"{name}.js").read_text(), *arguments)]

    def requests(self) -> list[str]:
        """Return the URL of each request so far that left the browser or tried to."""
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            url = str(message["params"].get("request", {}).get("url", ""))
            if message["method"] == "Network.requestWillBeSent" and urlsplit(url).scheme in _PAGE_SCHEMES:
                self._asked.append(url)
        return list(self._asked)

    def origins(self) -> set[str]:
        """Return the scheme, host and port of each request so far."""
        return {f"{urlsplit(url).scheme}://{urlsplit(url).netloc}" for url in self.requests()}

    def complaints(self) -> list[str]:
        """Return all that the browser's console has: reports about the content security policy, errors of scripts."""
        self._complaints += [f"{entry['level']} {entry['message']}" for entry in self.driver.get_log("browser")]
        return list(self._complaints)


@contextmanager
def browser(*, javascript: bool = True) -> Iterator[Browser]:
    """Run a browser; without `javascript` no script of a page runs. Any certificate is accepted."""
    with tempfile.TemporaryDirectory(prefix="maestro-browser-", ignore_cleanup_errors=True) as profile:
        options = Options()
        options.binary_location = "/usr/bin/chromium"
        for switch in (*_SWITCHES, f"--user-data-dir={profile}", f"--window-size={WIDE[0]},{WIDE[1]}"):
            options.add_argument(switch)
        options.set_capability("acceptInsecureCerts", True)
        options.set_capability("goog:loggingPrefs", _LOGS)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # 4.26 has a default of its own
            RemoteConnection.set_timeout(_ANSWER_S)
        service = Service("/usr/bin/chromedriver", log_path="/dev/null")
        driver = webdriver.Chrome(service=service, options=options)
        try:
            made = Browser(driver=driver)
            made.resize(WIDE)
            driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": not javascript})
            yield made
        finally:
            driver.quit()
