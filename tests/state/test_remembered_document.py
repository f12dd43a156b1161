"""What is remembered of libapt comes back from its document exactly as it was, or not at all."""

import json
from dataclasses import replace
from datetime import timedelta, timezone
from pathlib import Path

import pytest

from agent.core import redact
from agent.core.model.kernels import AutoRemovable, Dependency, KernelFacts, KernelImage
from agent.core.model.package import PackageId
from agent.core.model.plan import Blocker, Resolution, Why
from agent.core.model.reasons import Reason, ReasonCode
from agent.core.model.scope import Scope
from agent.core.packages.cves import VersionChange
from agent.core.packages.remembered import MissingArchives, PackageFacts, RememberedPackages, ResolverAnswer
from agent.core.schemas import Document
from agent.errors import RecordError
from agent.state.documents.packages import packages_from_document, packages_to_document
from agent.state.json_reader import JsonReader
from agent.state.packages_record import load_packages, save_packages
from agent.state.record import Record
from agent.state.store import Store
from tests.core import given

A, B = PackageId(name="a", architecture="amd64"), PackageId(name="b", architecture="i386")
HELD = replace(
    given.held(),
    installed=None,
    cause=Reason(code=ReasonCode.SOAKING, values=("x", given.NOW), clauses=("first",)),
    blocker=Blocker(package="b:i386", why=Why.BLOCKLISTED),
    until=given.NOW.astimezone(timezone(timedelta(hours=2))) + timedelta(microseconds=5),
)
MEMORY = RememberedPackages(
    basis="0f",
    facts=PackageFacts(
        updates=(given.update(pin="pinned", phased=10), given.other("b", source="bé\udc80")),
        repair=(given.REPAIR,),
        kernels=KernelFacts(
            running="6.1.0-1-amd64",
            patterns=("linux-.*",),
            images=(KernelImage(release="6.1.0-1-amd64", version="6.1.1"),),
            unneeded=(AutoRemovable(package="a", architecture="amd64", version="1", on_hold=True),),
            needs=(Dependency(package=A, any_of=(A, B)),),
        ),
        journal=True,
        esm_only=(given.update("esm"),),
        excluded=("/var/lib/apt/lists/x",),
        foreign=(B,),
    ),
    answers=(
        ResolverAnswer(
            scope=Scope.PROVISION,
            admitted=(given.update(),),
            permitted=(A,),
            resolution=Resolution(steps=(given.step(replaces=(B,), installed=None),), refused=(HELD,)),
        ),
    ),
    missing=MissingArchives(
        directory="1 2 3",
        subjects=(VersionChange(package="a", architecture="amd64", installed="1", candidate="2"),),
    ),
)


def written(memory: RememberedPackages = MEMORY) -> Document:
    found: Document = json.loads(json.dumps(packages_to_document(memory, given.NOW)))
    return found


def read(document: Document) -> RememberedPackages:
    return packages_from_document(JsonReader(document, "packages.json"))


def test_it_comes_back_as_it_was() -> None:
    assert read(written()) == MEMORY


@pytest.mark.parametrize(
    "change",
    [
        {"version": "0.0.0-other"},
        {"version": None},
        {"remembered": None},
        {"remembered": []},
        {"remembered": {"basis": "0f"}},
        {"remembered": {"basis": 1, "facts": {}, "answers": []}},
    ],
    ids=["another-version", "no-version", "nothing", "a-list", "fields-missing", "other-types"],
)
def test_a_document_of_another_version_or_shape_is_refused(change: Document) -> None:
    with pytest.raises(RecordError):
        read({**written(), **change})


@pytest.mark.parametrize(
    ("field", "value"),
    [("candidate", 2), ("security", 1), ("phased", "10"), ("cves", "CVE-2026-1"), ("age", {"time": "x"}), ("new", "")],
    ids=["text", "boolean", "number", "list", "time", "unknown-field"],
)
def test_a_field_of_another_type_is_refused(field: str, value: object) -> None:
    document = json.loads(json.dumps(written()))
    document["remembered"]["facts"]["updates"][0][field] = value

    with pytest.raises(RecordError):
        read(document)


def test_on_the_record_it_comes_back_as_it_was(tmp_path: Path) -> None:
    record = Record(Store(str(tmp_path)))

    save_packages(record, MEMORY, given.NOW)

    assert load_packages(record) == MEMORY


def test_what_has_a_secret_in_it_is_not_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a source that preferences exclude, another path would be read back, and the source would count as in use."""
    monkeypatch.setattr(redact, "_known", {})
    redact.remember_secrets(["4f1d2c3b4a5968778695a4b3c2d1e0f0"])
    path = "/var/lib/apt/lists/packages.example.org_4f1d2c3b4a5968778695a4b3c2d1e0f0_dists_x_InRelease"
    record = Record(Store(str(tmp_path)))

    save_packages(record, replace(MEMORY, facts=replace(MEMORY.facts, excluded=(path,))), given.NOW)

    assert load_packages(record) is None
