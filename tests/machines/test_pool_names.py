"""Whatever the files of a repository's pool are called: a package is known by the package lists and by its archive."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from tests.support.repository import Package, Repository, package
from tests.support.scenario import Scenario, names, reasons
from tests.support.server import serving

HOLD = '[security]\nconffiles = "hold"\n'


@dataclass(kw_only=True)
class OddPool(Repository):
    """A repository that keeps its packages under given names, below pool/."""

    called: Mapping[str, str] = field(default_factory=dict)

    def place(self, one: Package) -> str:
        return f"pool/{self.called.get(one.name, one.filename)}"


def conf(version: str, text: str, name: str = "conf") -> Package:
    file = f"/etc/{name}.ini"
    return Package(name=name, version=version, files=((file, text),), conffiles=(file,))


SCHEMES = ["file:", "copy:", "mirror+file:", "http:"]
FORMS = {
    "another-package": {"conf": "conf-2.deb", "bad": "z_2_all.deb", "z": "bad_2_all.deb"},
    "numbers": {"conf": "1.deb", "bad": "2.deb", "z": "3.deb"},
    "one-base-name": {"conf": "conf/package.deb", "bad": "bad/package.deb", "z": "z/package.deb"},
    "spaces": {"conf": "my conf.deb", "bad": "a bad: one.deb", "z": "z%20.deb"},
    "wrong-architecture": {"conf": "conf_2_i386.deb", "bad": "bad_1_i386.deb", "z": "z_1%3a9_arm64.deb"},
}


def publish(
    host: Scenario, called: Mapping[str, str], *packages: Package, scheme: str = "file:", url: str = ""
) -> None:
    directory = host.machine.path("/srv/odd")
    directory.mkdir(parents=True)
    made = OddPool(directory=directory, signer=host.signer, codename=f"{host.codename}-security", called=called)
    made.add(*packages)
    host.machine.write("/srv/mirrors", "file:/srv/odd/\n")
    place = {"mirror+file:": "mirror+file:/srv/mirrors", "http:": f"{url}/odd"}
    host.configure("odd", place.get(scheme, f"{scheme}/srv/odd"), made.codename)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("form", FORMS.values(), ids=list(FORMS))
def test_a_prompt_and_a_failure_are_of_the_package_whatever_its_archive_is_called(
    host: Scenario, form: Mapping[str, str], scheme: str
) -> None:
    more = [package(f"p{number}", "2") for number in range(6)]
    bad = package("bad", "2", preinst="echo x >> /runs; exit 3")
    host.install(conf("1", "one\n"), *(package(one.name, "1") for one in (*more, bad)), package("z", "1"))
    host.machine.write("/etc/conf.ini", "mine\n")
    host.configuration(HOLD)
    with serving(host.machine.path("/srv")) as archive:
        publish(host, form, conf("2", "two\n"), bad, package("z", "2"), *more, scheme=scheme, url=archive.url)

        done = host.upgrade()

    assert (done.code, reasons(done.json)) == (1, {"conf": "conffile"}), done
    assert [(one["package"], one["stage"]) for one in done.json["failed"]] == [("bad:amd64", "unpack")]
    assert "exit status 3" in done.json["failed"][0]["error"]
    assert names(done.json["upgraded"]) == ["p0", "p1", "p2", "p3", "p4", "p5", "z"]
    assert host.machine.path("/runs").read_text() == "x\n"


def test_a_failed_download_is_of_the_package_whatever_its_archive_is_called(host: Scenario) -> None:
    host.install(package("a", "1"), package("b", "1"))
    with serving(host.machine.path("/srv")) as archive:
        archive.refused["b_2_all"] = 404
        publish(
            host,
            {"a": "b_2_all.deb", "b": "a_2_all.deb"},
            package("a", "2"),
            package("b", "2"),
            scheme="http:",
            url=archive.url,
        )

        done = host.upgrade()

    assert (done.code, reasons(done.json), names(done.json["upgraded"])) == (10, {"a": "download-failed"}, ["b"])


@pytest.mark.parametrize("policy", ["hold", "keep"])
def test_a_failure_is_of_its_architecture_whatever_the_archives_are_called(host: Scenario, policy: str) -> None:
    """A pair of two architectures, of which one fails."""
    host.machine.check("dpkg --add-architecture i386")
    pair = [
        Package(name="lib", version="1", architecture=one, fields=(("Multi-Arch", "same"),))
        for one in ("amd64", "i386")
    ]
    host.install(*pair)
    new = [
        Package(name="lib", version="2", architecture=one.architecture, fields=one.fields, scripts=scripts)
        for one, scripts in zip(pair, ((), (("preinst", "exit 3"),)), strict=True)
    ]
    host.configuration(f'[security]\nconffiles = "{policy}"\n')
    publish(host, {}, *new)
    host.machine.check("sed -i 's/arch=amd64/arch=amd64,i386/' /etc/apt/sources.list.d/odd.list")

    done = host.upgrade()

    assert {one["package"]: "exit status 3" in one["error"] for one in done.json["failed"]} == {
        "lib:i386": True,
        "lib:amd64": False,
    }


@pytest.mark.every_release
def test_the_reason_is_kept_where_a_hook_empties_apts_archive(host: Scenario) -> None:
    """As images of containers do (docker-clean)."""
    host.machine.write("/etc/apt/apt.conf.d/99clean", 'DPkg::Post-Invoke {"rm -f /var/cache/apt/archives/*.deb"; };\n')
    bad = package("bad", "2", preinst="echo x >> /runs; exit 3")
    host.install(*(package(name, "1") for name in ("a", "bad", "z")))
    with serving(host.machine.path("/srv")) as archive:
        publish(
            host,
            {},
            package("a", "2"),
            bad,
            package("z", "2", pre_depends="n"),
            package("n", "1"),
            scheme="http:",
            url=archive.url,
        )

        done = host.upgrade()

    assert [(one["package"], one["stage"]) for one in done.json["failed"]] == [("bad:amd64", "unpack")]
    assert host.machine.path("/runs").read_text() == "x\n"
    assert host.versions("a", "z", "n") == {"a": "2", "z": "2", "n": "1"}


@pytest.mark.parametrize(
    "name", ["a.ddeb", "a_2_all.udeb", "some package", "a.", ".deb", "x/a.DEB", "a%20b.deb", "a_2_i386.deb"]
)
def test_a_prefetched_archive_is_recognised_and_removed_whatever_it_is_called(host: Scenario, name: str) -> None:
    host.install(package("a", "1"))
    with serving(host.machine.path("/srv")) as archive:
        publish(host, {"a": name}, package("a", "2"), scheme="http:", url=archive.url)
        host.check()
        there = cached(host)
        archive.requests.clear()

        host.check()
        again = [request for request in archive.requests if "/pool/" in request]
        done = host.upgrade()

    assert (len(there), again, done.json["downloaded_bytes"]) == (1, [], 0)
    assert names(done.json["upgraded"]) == ["a"]
    assert cached(host) == []


def test_of_a_repository_on_this_machine_nothing_is_downloaded_in_advance(host: Scenario) -> None:
    host.install(package("a", "1"))
    publish(host, {}, package("a", "2"))

    shown = [host.agent("check") for _ in range(2)]

    assert [done.code for done in shown] == [10, 10]
    assert not any("in advance" in done.err for done in shown)
    assert cached(host) == []
    assert not host.machine.path("/var/lib/maestro-agent/ahead.json").exists()


def cached(host: Scenario) -> list[str]:
    """Return the files in apt's archive directory."""
    directory = host.machine.path("/var/cache/apt/archives")
    return sorted(path.name for path in directory.rglob("*") if path.is_file() and path.name != "lock")
