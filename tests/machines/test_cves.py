"""Which CVEs pending updates fix: read from real packages and reported everywhere; no archive is left behind."""

import gzip
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from tests.support.changelogs import changelog, documented, entry, fixed, packed
from tests.support.repository import Package, Repository, package
from tests.support.scenario import Scenario, names
from tests.support.server import Archive, serving

ARCHIVES = "/var/cache/apt/archives"
DOC = "/usr/share/doc"
LOCKED = """python3 -c '
import fcntl, time
file = open("/var/cache/apt/archives/lock", "w")
fcntl.lockf(file, fcntl.LOCK_EX)
open("/run/locked", "w")
time.sleep(60)'"""


@dataclass(frozen=True, kw_only=True)
class Lying(Package):
    """A package whose changelog claims to be larger than any memory."""

    claim: int

    def build(self) -> bytes:
        """Return the package with a last member of that claim."""
        header = tarfile.TarInfo(f"./usr/share/doc/{self.name}/changelog.Debian.gz")
        header.size = self.claim
        data = header.tobuf(tarfile.GNU_FORMAT)
        front, mark, _ = super().build().partition(b"data.tar ")
        size = f"{len(data):<10}".encode()
        return front + mark.ljust(16) + b"0           0     0     100644  " + size + b"`\n" + data


@pytest.fixture
def archive(host: Scenario) -> Iterator[Archive]:
    """Serve the machine's /srv over HTTP."""
    with serving(host.machine.path("/srv")) as running:
        yield running


def offer(host: Scenario, archive: Archive, kind: str, *packages: Package) -> Repository:
    """Install version 1 of each package, without a changelog, and offer these over HTTP."""
    for one in packages:
        source = tuple((key, value) for key, value in one.fields if key == "Source")
        host.install(Package(name=one.name, version="1", fields=source))
    return host.repository(kind, *packages, at=f"{archive.url}/{kind}")


def cves(document: Any, part: str = "install") -> dict[str, list[str] | None]:
    return {item["package"]: item["cves"] for item in document[part]}


def archives(host: Scenario) -> list[str]:
    found = host.machine.check(f"ls {ARCHIVES} {ARCHIVES}/partial").split()
    return [name for name in found if name.endswith(".deb")]


def left_directories(host: Scenario) -> list[str]:
    return [path.name for path in host.machine.path("/var/lib/maestro-agent").glob("ahead*") if path.is_dir()]


@pytest.mark.every_release
def test_a_check_reports_the_cves_that_an_update_fixes(host: Scenario, archive: Archive) -> None:
    text = changelog("Fix CVE-2024-2222.", "Fix CVE-2024-33333\n    and CVE-2023-1111.")
    offer(host, archive, "security", documented(package("a", "3"), text), fixed(package("b", "2")), package("c", "2"))

    plan = host.check()
    shown = host.agent("check --no-refresh").out
    status = host.agent("status")
    explained = host.agent("explain a")

    assert cves(plan) == {"a": ["CVE-2023-1111", "CVE-2024-2222", "CVE-2024-33333"], "b": [], "c": None}
    assert "fixing at least 3 CVEs:" in shown
    assert "3 CVEs: CVE-2023-1111, CVE-2024-2222, CVE-2024-33333" in shown
    assert "fixing at least 3 CVEs" in status.out
    assert "  CVE-2023-1111, CVE-2024-2222, CVE-2024-33333" in explained.out


@pytest.mark.every_release
def test_the_upgrade_uses_prefetched_packages_and_removes_them(host: Scenario, archive: Archive) -> None:
    offer(host, archive, "security", fixed(package("a", "2"), "CVE-2024-2222"), package("b", "1:2~rc1"))
    host.check()
    there = archives(host)
    archive.refused["/pool/"] = 404

    done = host.upgrade()

    assert there == ["a_2_all.deb", "b_1%3a2~rc1_all.deb"]
    assert done.json["downloaded_bytes"] == 0
    assert host.versions("a", "b") == {"a": "2", "b": "1:2~rc1"}
    assert cves(done.json, "upgraded") == {"a": ["CVE-2024-2222"], "b": None}
    assert "1 CVE: CVE-2024-2222" in host.agent(f"history {done.json['id']}").out
    assert archives(host) == []


def test_archives_are_kept_if_apt_is_configured_to(host: Scenario, archive: Archive) -> None:
    offer(host, archive, "security", package("a", "2"))
    host.machine.write("/etc/apt/apt.conf.d/99keep", 'APT::Keep-Downloaded-Packages "true";\n')
    host.check()

    host.upgrade()

    assert archives(host) == ["a_2_all.deb"]


def test_an_archive_that_was_superseded_is_removed(host: Scenario, archive: Archive) -> None:
    made = offer(host, archive, "security", fixed(package("a", "2"), "CVE-2024-2222"))
    host.check()
    made.packages[:] = [documented(package("a", "3"), changelog("Fix CVE-2024-2222.", "Fix CVE-2024-3333."))]
    made.publish()

    plan = host.check()

    assert archives(host) == ["a_3_all.deb"]
    assert cves(plan) == {"a": ["CVE-2024-2222", "CVE-2024-3333"]}


def test_changelogs_are_not_downloaded_or_read_twice(host: Scenario, archive: Archive) -> None:
    offer(host, archive, "security", fixed(package("docker.io", "2"), "CVE-2024-41110"))
    host.check()
    archive.requests.clear()

    again = host.check()

    assert cves(again, "held") == {"docker.io": ["CVE-2024-41110"]}
    assert [request for request in archive.requests if "/pool/" in request] == []


def test_held_updates_are_listed_with_their_cves_and_leave_no_archive(host: Scenario, archive: Archive) -> None:
    offer(
        host,
        archive,
        "security",
        fixed(package("docker.io", "2"), "CVE-2024-41110"),
        fixed(package("kept", "2"), "CVE-2024-2222"),
        fixed(package("blocked", "2"), "CVE-2024-3333"),
        fixed(package("broken", "2", depends="nowhere"), "CVE-2024-4444"),
    )
    host.machine.check("apt-mark hold kept")
    host.configuration('[security]\nblocklist = ["blocked"]\n')

    plan = host.check()

    assert cves(plan, "held") == {
        "blocked": ["CVE-2024-3333"],
        "broken": ["CVE-2024-4444"],
        "docker.io": ["CVE-2024-41110"],
        "kept": ["CVE-2024-2222"],
    }
    assert "1 CVE: CVE-2024-41110" in host.agent("status").out
    assert archives(host) == []
    assert left_directories(host) == []


def test_nothing_is_downloaded_from_an_archive_that_is_not_authenticated(host: Scenario, archive: Archive) -> None:
    host.configuration('[apt]\nfetch_ahead = "all"\n')
    made = offer(host, archive, "security", fixed(package("a", "2"), "CVE-2024-2222"))
    made.signer = None
    made.publish()
    host.configure("security", f"{archive.url}/security", made.codename, "allow-insecure=yes")
    host.machine.check("apt-get update")

    plan = host.check("--no-refresh")
    again = host.check()

    assert [item["why"] for item in plan["held"]] == ["untrusted"]
    assert cves(again, "held") == {"a": None}
    assert [request for request in archive.requests if "/pool/" in request] == []


def test_a_truncated_changelog_gives_a_lower_bound(host: Scenario, archive: Archive) -> None:
    cut = documented(package("a", "3"), entry("3", "Fix CVE-2024-3333."))
    silent = documented(package("b", "3"), entry("3"))
    offer(host, archive, "security", cut, silent)

    plan = host.check()

    assert cves(plan) == {"a": ["CVE-2024-3333"], "b": None}
    assert [item["cves_complete"] for item in plan["install"]] == [False, None]
    assert "at least 1 CVE: CVE-2024-3333" in host.agent("status").out


@pytest.mark.every_release
def test_archives_of_every_compression_are_read(host: Scenario, archive: Archive) -> None:
    made = (
        replace(fixed(package(f"by-{name}", "2"), "CVE-2024-2222"), compression=name) for name in ("gzip", "xz", "zstd")
    )
    offer(host, archive, "security", *made)

    plan = host.check()

    assert cves(plan) == {f"by-{name}": ["CVE-2024-2222"] for name in ("gzip", "xz", "zstd")}


def test_a_changelog_is_found_under_each_of_its_names(host: Scenario, archive: Archive) -> None:
    text = changelog("Fix CVE-2024-2222.")
    upstream = (f"{DOC}/upstream/changelog.gz", packed(entry("2", "CVE-2024-9999")))
    offer(
        host,
        archive,
        "security",
        documented(package("native", "2"), text, name="changelog.gz"),
        documented(replace(package("upstream", "2-1"), files=(upstream,)), entry("2-1", "CVE-2024-2222") + entry("1")),
        replace(
            documented(package("within", "2"), text),
            links=((f"{DOC}/within/changelog.gz", "changelog.Debian.gz"),),
        ),
    )

    assert set(map(str, cves(host.check()).values())) == {"['CVE-2024-2222']"}


def test_a_link_to_another_downloaded_package_is_followed(host: Scenario, archive: Archive) -> None:
    source = {"source": "src"}
    main = documented(package("main", "2", **source), changelog("Fix CVE-2024-2222."))
    linked = replace(package("linked", "2", **source), links=((f"{DOC}/linked", "main"),))
    file = replace(
        package("file", "2", **source),
        links=((f"{DOC}/file/changelog.Debian.gz", "../main/changelog.Debian.gz"),),
    )
    offer(host, archive, "security", file, linked, main)

    plan = host.check()

    assert cves(plan) == {name: ["CVE-2024-2222"] for name in ("file", "linked", "main")}


def test_a_link_to_an_installed_package_is_followed_if_it_is_new_enough(host: Scenario, archive: Archive) -> None:
    main = documented(package("main", "2", source="src"), changelog("Fix CVE-2024-2222."))
    linked = replace(package("linked", "2", source="src"), links=((f"{DOC}/linked", "main"),))
    offer(host, archive, "security", linked)
    host.install(main)

    assert cves(host.check()) == {"linked": ["CVE-2024-2222"]}


def test_a_link_that_leads_elsewhere_is_not_followed(host: Scenario, archive: Archive) -> None:
    for place in ("/etc", "/srv/doc", "/", "/usr/share/doc"):
        host.machine.check(f"mkdir -p {place}")
        host.machine.path(f"{place}/changelog.Debian.gz").write_bytes(packed(changelog("CVE-2024-2222")))
    targets = {
        "etc": "/etc",
        "up": "../../../etc",
        "other": "/srv/doc",
        "nowhere": "no",
        "itself": "itself",
        "dot": ".",
    }
    made = (replace(package(name, "2"), links=((f"{DOC}/{name}", target),)) for name, target in targets.items())
    offer(host, archive, "security", *made)

    plan = host.check()
    done = host.upgrade()

    assert cves(plan) == cves(done.json, "upgraded") == dict.fromkeys(targets)


def test_an_invalid_changelog_gives_no_cves(host: Scenario, archive: Archive) -> None:
    contents = {
        "bomb": packed("a (2) x; urgency=low\n" + "\0" * 50_000_000),
        "bytes": b"\xff\xfe\x00" * 1000,
        "empty": b"",
        "garbage": b"\x1f\x8b\x08\x00garbage that is no deflate stream",
        "headless": packed("CVE-2024-2222 " * 100_000),
        "short": b"\x1f\x8b",
    }
    made = (
        replace(package(name, "2"), files=((f"{DOC}/{name}/changelog.Debian.gz", content),))
        for name, content in contents.items()
    )
    offer(host, archive, "security", *made, fixed(package("sound", "2"), "CVE-2024-2222"))

    plan = host.check()
    done = host.upgrade()

    assert done.json["result"] == "updated"
    assert cves(plan) == cves(done.json, "upgraded") == {**dict.fromkeys(contents), "sound": ["CVE-2024-2222"]}


def test_an_archive_that_kills_its_reader_is_skipped(host: Scenario, archive: Archive) -> None:
    refused = Lying(name="refused", version="2", claim=1 << 40)  # libapt's own limit is below that
    accepted = Lying(name="accepted", version="2", claim=1 << 36)
    sound = [fixed(package(name, "2"), "CVE-2024-2222") for name in ("a", "z")]
    offer(host, archive, "security", *sound, refused, accepted)
    host.machine.check("apt-mark hold a z refused accepted")

    assert cves(host.check(), "held") == {
        "a": ["CVE-2024-2222"],
        "accepted": None,
        "refused": None,
        "z": ["CVE-2024-2222"],
    }


def test_a_damaged_changelog_is_read_up_to_the_damage(host: Scenario, archive: Archive) -> None:
    whole = changelog(*(f"Fix CVE-2024-{number}." for number in range(2000, 6000)))
    early = packed(whole)[:4000]
    latin = gzip.compress(changelog("Thanks to Jörg: CVE-2024-2222").encode("latin-1"))
    offer(
        host,
        archive,
        "security",
        replace(package("early", "4001"), files=((f"{DOC}/early/changelog.Debian.gz", early),)),
        replace(package("latin", "2"), files=((f"{DOC}/latin/changelog.Debian.gz", latin),)),
    )

    plan = host.check()

    found = cves(plan)
    assert found["latin"] == ["CVE-2024-2222"]
    assert 10 < len(found["early"] or ()) < 4000
    assert {item["package"]: item["cves_complete"] for item in plan["install"]}["early"] is False


def test_the_source_version_counts(host: Scenario, archive: Archive) -> None:
    text = entry("1.204", "Fix CVE-2024-2222.") + entry("1.203", "Fix CVE-2024-1111.")
    host.install(package("gcc", "4:12.2-3", source="gcc-defaults (1.203)"), package("rebuilt", "1-1+b2"))
    defaults = documented(package("gcc", "4:12.2-4", source="gcc-defaults (1.204)"), text)
    rebuilt = documented(package("rebuilt", "1-1+b3"), entry("1-1", "Fix CVE-2024-1111."))
    host.repository("security", defaults, rebuilt, at=f"{archive.url}/security")

    assert cves(host.check()) == {"gcc": ["CVE-2024-2222"], "rebuilt": []}


def test_cves_that_the_installed_branch_fixed_are_not_counted(host: Scenario, archive: Archive) -> None:
    host.install(documented(package("a", "1+deb12u1"), entry("1+deb12u1", "Fix CVE-2024-1111.") + entry("1")))
    newer = documented(package("a", "2"), entry("2", "Fix CVE-2024-1111 and CVE-2024-2222.") + entry("1"))
    host.repository("security", newer, at=f"{archive.url}/security")

    assert cves(host.check()) == {"a": ["CVE-2024-2222"]}


def test_nothing_is_prefetched_if_disabled(host: Scenario, archive: Archive) -> None:
    offer(host, archive, "security", fixed(package("a", "2"), "CVE-2024-2222"), fixed(package("runc", "2")))
    host.configuration('[apt]\nfetch_ahead = "off"\n')

    plan = host.check()

    assert (cves(plan), cves(plan, "held")) == ({"a": None}, {"runc": None})
    assert [request for request in archive.requests if "/pool/" in request] == []


def test_an_upgrade_without_a_check_reads_the_installed_changelogs(host: Scenario, archive: Archive) -> None:
    offer(host, archive, "security", fixed(package("a", "2"), "CVE-2024-2222"))

    done = host.upgrade()

    assert cves(done.json, "upgraded") == {"a": ["CVE-2024-2222"]}


def test_an_unprivileged_check_shows_recorded_cves_and_reads_nothing(host: Scenario, archive: Archive) -> None:
    made = offer(host, archive, "security", fixed(package("a", "2"), "CVE-2024-2222"))
    host.check()
    made.add(package("b", "2"))
    host.install(package("b", "1"))
    archive.requests.clear()

    seen = host.agent("check --no-refresh --json", user="65534")
    explained = host.agent("explain a --json", user="65534")

    assert cves(seen.json) == {"a": ["CVE-2024-2222"]}
    assert (explained.json["cves"], explained.json["cves_complete"]) == (["CVE-2024-2222"], True)
    assert archive.requests == []


def test_a_security_fix_hidden_in_another_update_is_flagged(host: Scenario, archive: Archive) -> None:
    host.configuration('[apt]\nfetch_ahead = "all"\n')
    offer(
        host,
        archive,
        "updates",
        documented(package("a", "3"), entry("3", suite="bookworm") + entry("2", "CVE-2024-2222") + entry("1")),
        documented(package("b", "2"), entry("2", suite="bookworm") + entry("1")),
        documented(package("c", "2"), entry("2", "CVE-2024-3333", suite="bookworm") + entry("1")),
    )
    host.repository("security", at=f"{archive.url}/security")

    plan = host.check()

    assert names(plan["install"]) == []
    assert cves(plan, "hidden_security") == {"a": ["CVE-2024-2222"], "c": ["CVE-2024-3333"]}
    assert [item["security_upload"] for item in plan["hidden_security"]] == [True, False]
    assert "1 CVE: CVE-2024-2222" in host.agent("check --no-refresh").out
    assert archives(host) == []


def test_other_updates_are_read_by_default_if_their_archive_is_present(host: Scenario, archive: Archive) -> None:
    offer(host, archive, "updates", fixed(package("a", "2"), "CVE-2024-2222"), fixed(package("b", "2"), "CVE-2024-1"))
    host.repository("security", at=f"{archive.url}/security")
    host.machine.check("apt-get update && apt-get install -y --download-only a")

    plan = host.check()

    assert cves(plan, "hidden_security") == {"a": ["CVE-2024-2222"]}
    assert archives(host) == ["a_2_all.deb"]


def test_a_modified_archive_is_not_read(host: Scenario, archive: Archive) -> None:
    offer(host, archive, "updates", fixed(package("a", "2"), "CVE-2024-2222"))
    host.repository("security", at=f"{archive.url}/security")
    forged = fixed(package("a", "2"), "CVE-2024-6666").build()
    host.machine.path(f"{ARCHIVES}/a_2_all.deb").write_bytes(forged)

    assert cves(host.check(), "hidden_security") == {}


@pytest.mark.every_release
def test_a_failed_download_affects_neither_the_check_nor_other_packages(host: Scenario, archive: Archive) -> None:
    made = (fixed(package(name, "2"), "CVE-2024-2222") for name in ("a", "b", "runc", "containerd"))
    offer(host, archive, "security", *made)
    archive.refused |= {"a_2": 404, "runc_2": 404}

    done = host.agent("check --json")

    assert done.code == 10
    assert cves(done.json) == {"a": None, "b": ["CVE-2024-2222"]}
    assert cves(done.json, "held") == {"containerd": ["CVE-2024-2222"], "runc": None}


def test_a_locked_archive_directory_is_not_waited_for(host: Scenario, archive: Archive) -> None:
    offer(host, archive, "security", fixed(package("a", "2"), "CVE-2024-2222"))
    other = host.machine.start(LOCKED)
    host.machine.check("until test -e /run/locked; do sleep 0.05; done")

    done = host.agent("check --json")

    host.machine.kill("KILL", "import fcntl")
    other.communicate()
    assert (done.code, names(done.json["install"])) == (10, ["a"])
    assert cves(done.json) == {"a": None}


def test_a_full_disk_leaves_the_cves_unknown(host: Scenario, archive: Archive) -> None:
    offer(host, archive, "security", fixed(package("a", "2"), "CVE-2024-2222"), fixed(package("runc", "2")))
    host.machine.check(f"mount -t tmpfs -o size=1m tmpfs {ARCHIVES}")

    done = host.agent("check --json")

    assert (done.code, names(done.json["install"])) == (10, ["a"])
    assert cves(done.json) == {"a": None}


def test_packages_of_a_local_repository_are_read_in_place(host: Scenario) -> None:
    host.install(package("a", "1"), package("runc", "1"))
    host.repository("security", fixed(package("a", "2"), "CVE-2024-2222"), fixed(package("runc", "2"), "CVE-2024-3333"))

    plan = host.check()

    assert cves(plan) == {"a": ["CVE-2024-2222"]}
    assert cves(plan, "held") == {"runc": ["CVE-2024-3333"]}
    assert host.machine.path("/srv/security/pool/a_2_all.deb").exists()


@pytest.mark.parametrize("left", ["ahead/partial", "ahead-999999999-1-1"], ids=["of-an-earlier-version", ""])
def test_archives_of_a_killed_check_are_removed(host: Scenario, archive: Archive, left: str) -> None:
    offer(host, archive, "security", fixed(package("runc", "2"), "CVE-2024-2222"))
    host.machine.write(f"/var/lib/maestro-agent/{left}/old.deb", "old")

    plan = host.check()

    assert cves(plan, "held") == {"runc": ["CVE-2024-2222"]}
    assert left_directories(host) == []
