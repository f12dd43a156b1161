"""What is remembered of libapt's cache is used only as long as it is true: after each change both looks are equal.

Real libapt, on a dpkg database and signed repositories that the tests write.
"""

import json
import os
import random
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.support import bases
from tests.support.remembering import Bench
from tests.support.repository import Signer, package
from tests.support.server import serving

APT = "etc/apt"
SECURITY_RELEASE = "bookworm-security_InRelease"
SECURITY_LIST = "bookworm-security_main_binary-amd64_Packages"


@dataclass(frozen=True, kw_only=True)
class Change:
    """One change of the machine or of what is asked, and whether libapt's cache has to be opened for it."""

    name: str
    act: Callable[[Bench], object] = lambda _bench: None
    asked: Mapping[str, Any] = field(default_factory=dict)
    opens: bool = True
    remembered: bool = True
    """Whether the same look is then answered from memory."""


@pytest.fixture
def bench(tmp_path: Path, signer: Signer) -> Iterator[Bench]:
    (tmp_path / "served").mkdir()
    with serving(tmp_path / "served") as archive:
        made = Bench(tmp_path, signer, archive.url)
        try:
            made.install(
                *(package(name, "1") for name in ("a", "kept", "pinned", "apart", "old-library")),
                package("needs-new", "1"),
                package("linux-image-6.1.0-1-amd64", "6.1.1"),
            )
            made.security.add(
                *(package(name, "2") for name in ("a", "kept", "pinned")),
                package("needs-new", "2", depends="of-ppa"),
            )
            made.ppa.add(package("apart", "2"), package("of-ppa", "1"), package("phased", "1"))
            made.update()
            yield made
        finally:
            made.close()


def lists(bench: Bench, ending: str) -> str:
    """Return the path of one of apt's lists below the root."""
    return next(f"lists/{path.name}" for path in (bench.root / "lists").iterdir() if path.name.endswith(ending))


def publish(bench: Bench, name: str, version: str, **control: str) -> None:
    bench.security.packages = [one for one in bench.security.packages if one.name != name]
    bench.security.add(package(name, version, **control))
    bench.update()


def relabel(bench: Bench, label: str) -> None:
    bench.security.label = label
    bench.security.publish()
    bench.update()


def label_as_before(bench: Bench) -> None:
    """With another package: a Release file of the same second would be the same as before."""
    bench.security.packages.append(package("unrelated", "1"))
    relabel(bench, "Debian-Security")


def withdraw(bench: Bench, name: str) -> None:
    bench.security.packages = [one for one in bench.security.packages if one.name != name]
    bench.security.publish()
    bench.update()


def touch(name: str) -> Callable[[Bench], object]:
    return lambda bench: os.utime(bench.root / name)


def write(name: str, text: str) -> Callable[[Bench], object]:
    return lambda bench: bench.write(name, text)


def remove(name: str) -> Callable[[Bench], object]:
    return lambda bench: (bench.root / name).unlink()


def read_list(bench: Bench) -> None:
    (bench.root / lists(bench, SECURITY_LIST)).read_bytes()


def empty(name: str) -> Callable[[Bench], object]:
    def act(bench: Bench) -> None:
        for one in (bench.root / name).iterdir():
            one.unlink()

    return act


def link_pins(bench: Bench) -> None:
    bench.write("elsewhere", PIN)
    (bench.root / APT / "preferences.d/three").symlink_to(bench.root / "elsewhere")


def copy_status(bench: Bench) -> None:
    shutil.copy(bench.root / "dpkg/status", bench.root / "dpkg/status-new")
    (bench.root / "dpkg/status-new").rename(bench.root / "dpkg/status")


def keep_only(part: dict[str, Any] | None) -> Callable[[Bench], object]:
    """Return a change of the memory's file: cut in half (None), or with some values replaced."""

    def act(bench: Bench) -> None:
        text = bench.memory.read_text()
        changed = text[: len(text) // 2] if part is None else json.dumps({**json.loads(text), **part})
        bench.memory.write_text(changed)

    return act


def without_field(bench: Bench) -> None:
    document = json.loads(bench.memory.read_text())
    del document["remembered"]["facts"]["updates"][0]["pin"]
    bench.memory.write_text(json.dumps(document))


def come_and_go(name: str, text: str) -> Callable[[Bench], object]:
    """Return a change that leaves no file: libapt may have read it after the digest was taken."""

    def act(bench: Bench) -> None:
        bench.write(name, text)
        (bench.root / name).unlink()

    return act


NEW_SOURCE = "Types: deb\nURIs: http://127.0.0.1:9/x\nSuites: y\nComponents: main\n"
PIN = "Package: pinned\nPin: version 2\nPin-Priority: -1\n"
CHANGES = (
    Change(name="nothing", opens=False),
    Change(name="an-update-that-finds-nothing-new", act=lambda bench: bench.update(), opens=False),
    Change(name="apt-keeps-no-cache-file", act=lambda bench: shutil.rmtree(bench.root / "cache"), opens=False),
    Change(name="the-directory-of-partial-lists", act=touch("lists/partial"), opens=False),
    Change(name="the-lock-of-the-lists", act=touch("lists/lock"), opens=False),
    Change(name="a-list-was-read", act=read_list, opens=False),
    Change(name="a-key-outside-of-apts-configuration", act=touch("key.asc"), opens=False),
    Change(name="a-day-passes", asked={"days": 1}, opens=False),
    Change(name="forty-days-pass", asked={"days": 40}, opens=False),
    Change(name="lists-may-be-older", asked={"days": 40, "hours": 2000}, opens=False),
    Change(name="a-source-failed", asked={"failed": ["http://127.0.0.1/x y"]}, opens=False),
    Change(name="a-package-is-blocklisted", asked={"blocklist": ["a"]}),
    Change(name="a-dependency-is-blocklisted", asked={"blocklist": ["needs-new", "of-*"]}),
    Change(name="other-origins", asked={"origins": ["o=PPA"]}),
    Change(name="no-origin-fits", asked={"origins": ["o=Nobody"]}),
    Change(name="another-boot", asked={"boot": "another"}),
    Change(name="an-unknown-boot", asked={"boot": None}, remembered=False),
    Change(name="another-kernel-runs", asked={"kernel": "6.1.0-1-amd64"}),
    Change(name="another-version-of-the-agent", asked={"version": "99"}),
    Change(name="another-machine", act=write("etc/machine-id", "1" * 32)),
    Change(name="a-hold", act=lambda bench: bench.install(package("kept", "1"), status="hold ok installed")),
    Change(name="the-hold-ends", act=lambda bench: bench.install(package("kept", "1"))),
    Change(name="a-package-was-upgraded", act=lambda bench: bench.install(package("a", "2"))),
    Change(name="it-was-downgraded", act=lambda bench: bench.install(package("a", "1"))),
    Change(
        name="a-package-was-removed",
        act=lambda bench: bench.install(package("old-library", "1"), status="deinstall ok config-files"),
    ),
    Change(name="a-package-was-installed", act=lambda bench: bench.install(package("phased", "0.5"))),
    Change(
        name="a-package-is-half-configured",
        act=lambda bench: bench.install(package("apart", "1"), status="install ok half-configured"),
        remembered=False,
    ),
    Change(name="it-is-configured", act=lambda bench: bench.install(package("apart", "1"))),
    Change(
        name="dpkg-was-interrupted",
        act=write("dpkg/updates/0001", "Package: a\nStatus: install ok unpacked\nVersion: 2\nArchitecture: all\n\n"),
        remembered=False,
    ),
    Change(name="its-journal-was-merged", act=remove("dpkg/updates/0001")),
    Change(name="a-temporary-journal", act=write("dpkg/updates/tmp.i", "")),
    Change(name="the-same-status-in-another-file", act=copy_status),
    Change(name="a-touched-status", act=touch("dpkg/status")),
    Change(
        name="a-status-changed-in-place-with-its-time-kept",
        act=lambda bench: bench.rewrite("dpkg/status", "Version: 0.5", "Version: 0.4"),
    ),
    Change(name="another-architecture", act=write("dpkg/arch", "amd64\ni386\n")),
    Change(
        name="a-package-is-marked-automatic",
        act=write("extended_states", "Package: old-library\nArchitecture: amd64\nAuto-Installed: 1\n\n"),
    ),
    Change(name="the-mark-is-gone", act=remove("extended_states")),
    Change(name="a-pin", act=write(f"{APT}/preferences", PIN)),
    Change(
        name="a-pin-changed-in-place-with-its-time-kept",
        act=lambda bench: bench.rewrite(f"{APT}/preferences", "pinned", "kept  "),
    ),
    Change(name="the-pin-is-gone", act=remove(f"{APT}/preferences")),
    Change(
        name="a-pin-in-a-file-of-its-own",
        act=write(f"{APT}/preferences.d/one", "Package: *\nPin: release l=PPA\nPin-Priority: -1\n"),
    ),
    Change(
        name="malformed-preferences",
        act=write(f"{APT}/preferences.d/two", "Pin: version 2\nPin-Priority: 1\n"),
        remembered=False,
    ),
    Change(name="they-are-gone", act=remove(f"{APT}/preferences.d/two")),
    Change(name="a-pin-that-came-and-went", act=come_and_go(f"{APT}/preferences.d/two", PIN)),
    Change(
        name="pins-by-a-link-to-elsewhere",
        act=link_pins,
    ),
    Change(name="what-the-link-leads-to", act=lambda bench: bench.rewrite("elsewhere", "-1", "99")),
    Change(name="no-pins", act=empty(f"{APT}/preferences.d")),
    Change(
        name="a-source-is-gone",
        act=lambda bench: bench.write(f"{APT}/sources.list", bench.sources.splitlines(keepends=True)[0]),
    ),
    Change(name="it-is-back", act=lambda bench: bench.write(f"{APT}/sources.list", bench.sources)),
    Change(
        name="a-source-that-was-never-fetched",
        act=write(f"{APT}/sources.list.d/new.sources", NEW_SOURCE),
    ),
    Change(name="a-malformed-source", act=write(f"{APT}/sources.list.d/bad.list", "deb nonsense\n"), remembered=False),
    Change(name="without-both", act=empty(f"{APT}/sources.list.d")),
    Change(name="an-option-of-apt", act=write(f"{APT}/apt.conf.d/one", 'APT::Default-Release "ppa";\n')),
    Change(name="automatic-removal", act=write(f"{APT}/apt.conf.d/one", 'APT::NeverAutoRemove {"^old";};\n')),
    Change(name="an-option-without-effect", act=write(f"{APT}/apt.conf.d/one", 'Acquire::Retries "1";\n')),
    Change(name="no-option", act=remove(f"{APT}/apt.conf.d/one")),
    Change(name="a-newer-version", act=lambda bench: publish(bench, "a", "3")),
    Change(name="an-update-with-a-dependency", act=lambda bench: publish(bench, "a", "4", depends="dpkg (>= 1)")),
    Change(name="an-update-is-withdrawn", act=lambda bench: withdraw(bench, "kept")),
    Change(
        name="a-rollout-that-has-not-reached-this-machine",
        act=lambda bench: publish(bench, "apart", "3", phased_update_percentage="0"),
    ),
    Change(
        name="it-has-reached-all",
        act=lambda bench: publish(bench, "apart", "3", phased_update_percentage="100"),
    ),
    Change(name="another-label-that-apt-refuses", act=lambda bench: relabel(bench, "Other"), opens=False),
    Change(name="the-label-as-before", act=label_as_before),
    Change(name="the-server-is-away", act=lambda bench: shutil.rmtree(bench.root / "served/ppa/dists"), opens=False),
    Change(name="and-an-update-fails", act=lambda bench: bench.update(), opens=False),
    Change(
        name="a-list-changed-in-place-with-its-time-kept",
        act=lambda bench: bench.rewrite(lists(bench, SECURITY_LIST), "Version: 4", "Version: 5"),
    ),
    Change(
        name="a-release-file-changed-in-place-with-its-time-kept",
        act=lambda bench: bench.rewrite(lists(bench, SECURITY_RELEASE), "Suite: stable", "Suite: Stable"),
    ),
    Change(name="a-list-is-gone", act=lambda bench: (bench.root / lists(bench, SECURITY_LIST)).unlink()),
    Change(name="a-release-file-is-gone", act=lambda bench: (bench.root / lists(bench, SECURITY_RELEASE)).unlink()),
    Change(name="a-foreign-file-beside-the-lists", act=write("lists/notes", "")),
    Change(name="no-lists", act=lambda bench: shutil.rmtree(bench.root / "lists")),
    Change(name="a-memory-that-was-cut-off", act=keep_only(None)),
    Change(name="a-memory-of-another-version", act=keep_only({"version": "99"})),
    Change(name="a-memory-of-another-shape", act=keep_only({"remembered": {"basis": "x"}})),
    Change(name="no-memory", act=lambda bench: bench.memory.unlink()),
)


def test_there_are_many_changes_and_each_has_a_name_of_its_own() -> None:
    assert len({change.name for change in CHANGES}) == len(CHANGES) >= 40


def test_after_each_change_memory_and_cache_show_the_same(bench: Bench) -> None:
    first = bench.look()
    assert [held["package"] for held in first.by_cache["plans"][0]["held"]] == ["needs-new"]
    assert [step["package"] for step in first.by_cache["plans"][0]["install"]] == ["a", "kept", "pinned"]
    asked: Mapping[str, Any] = {}
    for change in CHANGES:
        if change.asked != asked and asked:
            bench.look()  # as it was asked before
        asked = change.asked
        change.act(bench)

        seen, again = bench.look(**change.asked), bench.look(**change.asked)

        for one in (seen, again):
            assert shown(one.by_memory) == shown(one.by_cache), change.name
        assert seen.by_memory["opened"] is change.opens, change.name
        assert again.by_memory["opened"] is not change.remembered, change.name


def test_a_rollout_is_asked_again_on_another_machine(bench: Bench) -> None:
    """libapt reads the machine's id beside its own configuration."""
    bench.install(package("phased", "0.5"))
    bench.ppa.add(package("phased", "2", phased_update_percentage="50"))
    bench.update()
    held = []
    for number in range(8):
        bench.write("etc/machine-id", f"{number:032x}\n")

        seen = bench.look()

        assert shown(seen.by_memory) == shown(seen.by_cache), number
        held.append("phased" in {one["package"] for one in seen.by_cache["plans"][1]["held"]})
    assert set(held) == {True, False}


def shown(look: dict[str, Any]) -> dict[str, Any]:
    """Return a look without how it came about, and without when the lists were written."""
    return {key: value for key, value in look.items() if key not in {"opened", "memory"}}


def test_changes_in_any_order_show_the_same(bench: Bench) -> None:
    """What one change needs of those before it may be missing: then nothing has changed, which counts as well."""
    order = random.Random(18)  # noqa: S311 - an order, not a secret
    chosen = order.sample(CHANGES, len(CHANGES)) * (5 if bases.thorough() else 1)
    bench.look()
    for change in chosen if bases.thorough() else chosen[:40]:
        try:
            change.act(bench)
        except (OSError, StopIteration, AssertionError):
            (bench.root / "lists/partial").mkdir(parents=True, exist_ok=True)

        seen = bench.look(**change.asked)

        assert shown(seen.by_memory) == shown(seen.by_cache), change.name
