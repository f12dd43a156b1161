"""The checks of pages find what they are for, in pages with exactly one fault each, and nothing in a page without."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.support.browser import Browser, browser

pytestmark = pytest.mark.xdist_group("browser")
POLICY = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; form-action 'self'"
GOOD = (
    '<!doctype html><html lang="en"><head><title>page</title><link rel="stylesheet" href="/style.css">'
    '<script src="/name.js"></script></head><body><h1>good</h1><p id="said"></p><form method="get" action="/next">'
    '<label>Name <input name="name"></label><button>Go on</button></form>{more}</body></html>'
)
STYLE = """
:root { color-scheme: light dark; --text: #111; --page: #fff }
@media (prefers-color-scheme: dark) { :root { --text: #eee; --page: #111 } }
html { background: var(--page); color: var(--text) }
.faint { color: #999 } .box { background: #777; color: #fff } .dark-only { color: #000 } .wide { width: 600px }
"""
SCRIPT = "addEventListener('load', () => { document.getElementById('said').textContent = 'script ran' })"
FAULTS = {
    '<p class="faint">faint</p>': "contrast",
    '<p class="box">on grey</p>': "contrast 4.48",
    '<p class="dark-only">black on black</p>': "dark: contrast",
    '<input name="other">': "no label",
    "<button></button>": "no label",
    '<img src="/none.png">': "no alternative",
    "<svg><path/></svg>": "no title",
    "<table><tr><td>1</td></tr></table>": "no caption",
    "<table><caption>t</caption><tr><th>1</th></tr></table>": "no scope",
    '<p id="said">again</p>': "id given twice",
    "<h1>another</h1>": "not one h1",
    '<div class="wide">wide</div>': "375 px",
}


class _Pages(BaseHTTPRequestHandler):
    """A page whose end is in the query."""

    def do_GET(self) -> None:
        path, _, more = self.path.partition("?")
        kinds = {"/style.css": ("text/css", STYLE), "/name.js": ("text/javascript", SCRIPT)}
        kind, text = kinds.get(path, ("text/html", GOOD.format(more=unquote(more))))
        body = text.encode()
        self.send_response(200)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Security-Policy", POLICY)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        pass


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Pages) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as made:
        yield made


def test_page_without_a_fault_has_none(site: str, chromium: Browser, tmp_path: Path) -> None:
    chromium.open(f"{site}/")
    chromium.wait_for("script ran")
    chromium.screenshots(tmp_path, "page")
    chromium.fill(name="web1")
    chromium.press("Go on")

    assert chromium.faults() == []
    assert chromium.path == "/next?name=web1"
    assert sorted(one.name for one in tmp_path.iterdir()) == ["page-375.png", "page-dark.png", "page-light.png"]
    assert {url.partition("?")[0].removeprefix(site) for url in chromium.requests()} >= {"/", "/next", "/style.css"}
    assert chromium.origins() == {site}


@pytest.mark.parametrize(("more", "fault"), FAULTS.items(), ids=range(len(FAULTS)))
def test_each_fault_is_found(site: str, chromium: Browser, more: str, fault: str) -> None:
    chromium.open(f"{site}/?{more}")

    found = chromium.faults()

    assert any(fault in one for one in found), found


def test_what_the_policy_forbids_and_other_hosts_are_reported(site: str, chromium: Browser) -> None:
    chromium.open(f'{site}/?<p style="color:red">x</p><img alt="" src="http://elsewhere.example/x.png">')

    assert [one for one in chromium.complaints() if "style" in one]
    assert [one for one in chromium.complaints() if "elsewhere.example" in one]


def test_without_javascript_the_page_is_there_and_no_script_has_run(site: str) -> None:
    with browser(javascript=False) as made:
        made.open(f"{site}/")
        made.fill(name="web1")
        made.press("Go on")

        assert made.path == "/next?name=web1"
        assert "script ran" not in made.text
        assert made.faults() == []
