"""`maestro-endpoint demo` as a newcomer meets it: a process, a browser, Ctrl-C; light, dark and 375 px are kept."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.endpoint.conftest import CHECKOUT
from tests.support.browser import Browser, browser
from tests.support.endpoint_server import free_port

pytestmark = pytest.mark.xdist_group("endpoint-server")
_LINK = re.compile(r"http://127\.0\.0\.1:[0-9]+/login/\S+")
_START_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Demo:
    """A running demo, and what it has printed."""

    process: subprocess.Popen[bytes]
    output: Path

    @property
    def link(self) -> str:
        """Return the address that logs in."""
        return str(_LINK.findall(self.output.read_text())[0])

    @property
    def origin(self) -> str:
        return self.link.partition("/login/")[0]

    def interrupt(self) -> int:
        """Press Ctrl-C; return the exit code."""
        os.killpg(self.process.pid, signal.SIGINT)
        try:
            return self.process.wait(60)
        finally:
            if self.process.poll() is None:
                os.killpg(self.process.pid, signal.SIGKILL)


def is_listening(demo: Demo) -> bool:
    """Whether it takes connections, which is after it has printed its address and after it handles Ctrl-C."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", int(demo.origin.rpartition(":")[2]))) == 0


@contextmanager
def running(directory: Path, *arguments: str) -> Iterator[Demo]:
    """Run a demo, and interrupt it at the end; it listens from the beginning of the block."""
    command = [sys.executable, "-m", "endpoint", "demo", "--port", str(free_port()), *arguments]
    output = directory / "output"
    with output.open("wb") as stream:
        process = subprocess.Popen(command, cwd=CHECKOUT, stdout=stream, stderr=stream, start_new_session=True)
    made, until = Demo(process=process, output=output), time.monotonic() + _START_S
    try:
        while not (_LINK.search(output.read_text()) and is_listening(made)):
            assert process.poll() is None, output.read_text()
            assert time.monotonic() < until, output.read_text()
            time.sleep(0.05)
        yield made
    finally:
        code = made.interrupt()
    assert code == 0, output.read_text()
    assert "Traceback" not in output.read_text()


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with running(tmp_path_factory.mktemp("demo")) as made:
        yield made


@pytest.fixture(scope="module")
def chromium(demo: Demo) -> Iterator[Browser]:
    """Return a browser in which the demo's person is logged in."""
    with browser() as made:
        made.open(demo.link)
        made.press("Log in")
        yield made
        assert made.complaints() == []
        assert made.origins() == {demo.origin}


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("overview", "/"),
        ("hosts", "/hosts"),
        ("hosts-filtered", "/hosts?state=held&state=silent&tag=production&sort=-pending"),
    ],
)
def test_a_page_is_legible_in_both_schemes_and_fits_a_phone(
    demo: Demo, chromium: Browser, name: str, path: str
) -> None:
    chromium.open(f"{demo.origin}{path}")
    chromium.screenshots(CHECKOUT / "build/screenshots", f"demo-{name}")

    assert chromium.faults() == []


def test_a_card_opens_the_list_and_a_condition_is_removed_there(demo: Demo, chromium: Browser) -> None:
    chromium.open(demo.origin)
    chromium.find("a.card[href*=reboot-required]").click()
    chromium.wait_for("Only with")

    assert chromium.path == "/hosts?state=reboot-required"
    chromium.follow("Show all hosts")
    assert chromium.path == "/hosts"


def test_ticked_hosts_are_counted_and_survive_a_refresh(demo: Demo, chromium: Browser) -> None:
    chromium.open(f"{demo.origin}/hosts")
    boxes = chromium.find_all("tbody input[type=checkbox]")
    boxes[0].click()
    boxes[1].click()

    assert chromium.find("[data-count]").text == "2 selected"
    before = chromium.find("[data-live=as-of]").text
    chromium.wait_for_change("[data-live=as-of]", before)
    chromium.wait_for("Refreshed")
    assert chromium.find("[data-count]").text == "2 selected"
    assert chromium.find("[data-all]").is_displayed()
    chromium.press("Deploy to the ticked hosts")
    assert chromium.path.startswith("/deploy?host=")


def test_another_port_is_asked_for_where_this_one_is_taken(demo: Demo) -> None:
    command = [sys.executable, "-m", "endpoint", "demo", "--port", demo.origin.rpartition(":")[2]]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert "--port" in done.stderr


def test_the_directory_keeps_a_fleet_that_other_commands_read(tmp_path: Path) -> None:
    place = tmp_path / "kept"
    with running(tmp_path, "--hosts", "12", "--dir", str(place)):
        command = [sys.executable, "-m", "endpoint", "fleet", "--config", str(place / "demo.toml")]
        table = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout

    assert "12 hosts:" in table
    assert (place / "demo.db").exists()
