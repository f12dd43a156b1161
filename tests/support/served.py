"""A local endpoint's application behind a real socket on loopback, for a browser in which a person is logged in."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from werkzeug.serving import WSGIRequestHandler, make_server

from tests.support.browser import Browser
from tests.support.local_endpoint import LocalEndpoint
from tests.support.visitor import Visitor


class _Quiet(WSGIRequestHandler):  # type: ignore[misc]  # werkzeug has no types
    def log(self, *_arguments: object) -> None:
        pass


@contextmanager
def served(endpoint: LocalEndpoint) -> Iterator[str]:
    """Serve it until the block ends; yield its address."""
    server = make_server("127.0.0.1", 0, endpoint.app, threaded=True, request_handler=_Quiet)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def hand_over(visitor: Visitor, browser: Browser, address: str) -> None:
    """Log the browser in with the session of a visitor."""
    browser.open(f"{address}/login")
    for name, value in visitor.cookies.items():
        browser.driver.add_cookie({"name": name, "value": value, "httpOnly": True, "sameSite": "Lax"})
