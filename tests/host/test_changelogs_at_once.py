"""Changelogs that two processes read at the same moment, by real libapt: a job, and a dry run, which takes no lock."""

from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread

import pytest

from tests.support.changelogs import fixed
from tests.support.private_apt import PrivateApt
from tests.support.repository import Signer, package

_LIMIT_S = 60.0
_READ = """
import json, os, pwd, sys
from pathlib import Path
from urllib.request import urlopen

import apt_pkg

from agent.core.job_control import JobControl
from agent.core.packages.cves import VersionChange
from agent.core.ports import ChangelogRequest
from agent.errors import AgentError
from agent.host.apt.cache import PackageCache
from agent.host.apt.changelogs import ChangelogReader
from agent.host.apt.configuration import configure
from tests.core import given

asked = json.loads(sys.argv[1])
configure()
apt_pkg.config.set("APT::Sandbox::User", pwd.getpwuid(os.getuid()).pw_name)
subject = VersionChange(package="a", architecture="all", installed="1", candidate="2")

def read():
    control = JobControl(progress=lambda _message: None)
    reader = ChangelogReader(given.policy(), scratch=Path(asked["scratch"]), control=control)
    try:
        wanted = [ChangelogRequest(subject=subject, security=False, may_fetch=True)]
        return [cve for _, found in reader.read(PackageCache(), wanted) for cve in found.cves]
    except AgentError as error:
        return [str(error)]

def read_at_once():
    reading, writing = os.pipe()
    if os.fork() == 0:
        os.write(writing, json.dumps(read()).encode())
        os._exit(0)
    urlopen(asked["site"] + "/begun").close()
    second = read()
    urlopen(asked["site"] + "/done").close()
    return [json.loads(os.read(reading, 4096)), second]

print(json.dumps(read_at_once() if "site" in asked else read()))
"""


class _Site(SimpleHTTPRequestHandler):
    """Has the first download of an archive wait until a second reader is done, if there is one."""

    begun: Event
    done: Event

    def do_GET(self) -> None:
        if self.path == "/begun":
            self.begun.wait(_LIMIT_S)
        elif self.path == "/done":
            self.done.set()
        elif self.path.endswith(".deb") and not self.begun.is_set():
            self.begun.set()
            self.done.wait(_LIMIT_S)
        if self.path in {"/begun", "/done"}:
            self.send_response(204)
            self.end_headers()
        else:
            super().do_GET()

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@pytest.fixture
def done() -> Event:
    return Event()


@pytest.fixture
def site(tmp_path: Path, done: Event) -> Iterator[str]:
    handler = type("_", (_Site,), {"begun": Event(), "done": done})
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(tmp_path / "Debian"))) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def apt(tmp_path: Path, signer: Signer, site: str) -> PrivateApt:
    made = PrivateApt(tmp_path, signer)
    made.install(package("a", "1"))
    made.repository("Debian", fixed(package("a", "2"), "CVE-2024-1111"), site=site)
    return made


def test_both_read_and_neither_removes_the_files_of_the_other(apt: PrivateApt, site: str, tmp_path: Path) -> None:
    scratch = tmp_path / "state" / "ahead"

    found = apt.run(_READ, {"scratch": str(scratch), "site": site})

    assert found == [["CVE-2024-1111"], ["CVE-2024-1111"]]
    assert list(scratch.parent.iterdir()) == []


@pytest.mark.parametrize("left", ["ahead/partial", "ahead-999999999-1-1"], ids=["of-an-earlier-version", "of-a-pid"])
def test_what_a_killed_reader_left_is_removed(apt: PrivateApt, done: Event, tmp_path: Path, left: str) -> None:
    scratch = tmp_path / "state" / "ahead"
    (scratch.parent / left).mkdir(parents=True)
    (scratch.parent / left / "a_2_all.deb").write_text("a part")
    (scratch.parent / "ahead.json").write_text("{}")
    done.set()

    found = apt.run(_READ, {"scratch": str(scratch)})

    assert found == ["CVE-2024-1111"]
    assert [path.name for path in scratch.parent.iterdir()] == ["ahead.json"]
