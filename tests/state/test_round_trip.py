"""Every document decodes to the value it was encoded from, and encodes to the same document again."""

import json
from dataclasses import replace
from datetime import timedelta
from enum import Enum
from typing import Any

import jsonschema
import pytest
from hypothesis import given as example
from hypothesis import strategies as st

from agent.core.model.facts import Lists, ListsState, Reboot, Repair, SourceError, SourceFault, SourceLists, Unseen
from agent.core.model.kernels import Removal
from agent.core.model.outcome import Failure, LockWait, Outcome, Result, Stage, Underway, Undo
from agent.core.model.package import PackageId
from agent.core.model.plan import Held, Plan, Step, Why
from agent.core.model.scope import Scope
from agent.core.packages.cves import ChangelogFindings, Findings, VersionChange
from agent.core.ports import Archive, RefreshResult
from agent.errors import RecordError
from agent.state.documents.caches import (
    archives_from_document,
    archives_to_document,
    findings_from_document,
    findings_to_document,
    refresh_from_document,
    refresh_to_document,
)
from agent.state.documents.outcome import outcome_from_document, outcome_to_document
from agent.state.documents.plan import plan_from_document, plan_to_document
from agent.state.json_reader import JsonReader
from agent.state.run_views import OutcomeView
from agent.state.views import PlanView, RunView
from tests.conftest import CHECKOUT
from tests.core import given

NOW = given.NOW
NAMES = st.from_regex(r"[a-z][a-z0-9.+-]{1,6}", fullmatch=True)
ARCHITECTURES = st.sampled_from(("amd64", "i386"))
WORDS = st.text(max_size=8)
TIMES = st.integers(0, 10**6).map(lambda seconds: NOW + timedelta(seconds=seconds))
VERSIONS = st.sampled_from(("1", "2:1.0-1", "3~rc1"))
CVES = st.lists(st.sampled_from(("CVE-2026-1", "CVE-2026-2")), max_size=2, unique=True).map(tuple)


def lists_of(made: st.SearchStrategy[Any], size: int = 2) -> st.SearchStrategy[Any]:
    return st.lists(made, max_size=size).map(tuple)


STEPS = st.builds(
    Step,
    package=NAMES,
    architecture=ARCHITECTURES,
    installed=st.none() | VERSIONS,
    candidate=VERSIONS,
    origin=WORDS,
    archive=WORDS,
    security=st.booleans(),
    download_bytes=st.integers(0, 10**12),
    source=NAMES,
)
CHANGES = st.builds(
    Step,
    package=NAMES,
    architecture=ARCHITECTURES,
    installed=VERSIONS,
    candidate=VERSIONS,
    origin=WORDS,
    archive=WORDS,
    security=st.just(True),
    download_bytes=st.just(0),
    source=st.just("") | NAMES,
)
HELD = st.builds(
    Held,
    package=NAMES,
    architecture=ARCHITECTURES,
    installed=st.none() | VERSIONS,
    candidate=VERSIONS,
    why=st.sampled_from(Why),
    detail=WORDS,
    source=st.just("") | NAMES,
)
REMOVALS = st.builds(Removal, package=NAMES, architecture=ARCHITECTURES, version=VERSIONS, reason=WORDS)
PACKAGE_IDS = st.builds(PackageId, name=NAMES, architecture=ARCHITECTURES)
DISAPPEARED = PACKAGE_IDS.map(lambda package: replace(package, name=f"removed-{package.name}"))
"""Never one of `REMOVALS`, whose names are shorter."""
REPAIRS = st.builds(Repair, package=NAMES, architecture=ARCHITECTURES, state=NAMES)
SOURCE_ERRORS = st.builds(
    SourceError, source=WORDS, fault=st.sampled_from(SourceFault), detail=WORDS, security=st.none() | st.booleans()
)
LISTS = st.builds(
    Lists, state=st.sampled_from(ListsState), updated_at=st.none() | TIMES, errors=lists_of(SOURCE_ERRORS)
)
SOURCE_LISTS = st.builds(
    SourceLists,
    source=WORDS,
    security=st.none() | st.booleans(),
    verified_at=st.none() | TIMES,
    released_at=st.none() | TIMES,
)
PLAN_LISTS = st.builds(lambda lists, sources: replace(lists, sources=sources), LISTS, lists_of(SOURCE_LISTS))
"""An outcome's lists do not have the sources."""
REBOOTS = st.just(Unseen(reason="not on record")) | st.builds(
    Reboot, required=st.booleans(), packages=lists_of(NAMES), since=st.none() | TIMES
)
PLANS = st.builds(
    Plan,
    id=WORDS,
    scope=st.sampled_from(Scope),
    seen_at=TIMES,
    lists=PLAN_LISTS,
    install=lists_of(STEPS),
    held=lists_of(HELD),
    repair=lists_of(REPAIRS),
    journal=st.booleans(),
    reboot=REBOOTS,
    other_updates=st.integers(0, 999),
    other_held=st.integers(0, 999),
    remove=lists_of(REMOVALS),
    kept=lists_of(REMOVALS),
)
FAILURES = st.builds(Failure, package=PACKAGE_IDS, stage=st.sampled_from(Stage), error=WORDS, detail=WORDS)
OUTCOMES = st.builds(
    Outcome,
    id=st.sampled_from(("20261123T051000Z", "20261123T051000Z-002")),
    scope=st.sampled_from(Scope),
    started_at=st.just(NOW),
    finished_at=st.none() | TIMES,
    requested_by=st.sampled_from(("", "schedule", "alice")),
    log=st.sampled_from(("", "/var/lib/maestro-agent/history/r.log")),
    undo=st.sampled_from((None, Undo(command="apt-get install a=1"), Undo(obstacle="no source offers a 1"))),
    restart=st.sampled_from((None, (), ("dbus.service", "ssh.service"), ("init.scope", "screen"))),
    requested=st.sampled_from(((), ("nginx", "libc6:amd64"))),
    result=st.sampled_from(Result),
    upgraded=lists_of(CHANGES),
    underway=st.builds(
        Underway,
        steps=lists_of(CHANGES),
        kernels=lists_of(REMOVALS),
        unused=lists_of(REMOVALS),
        repairs=lists_of(REPAIRS),
    ),
    removed=st.lists(DISAPPEARED, max_size=2, unique=True).map(lambda packages: tuple(sorted(packages, key=str))),
    removed_kernels=lists_of(REMOVALS),
    held=lists_of(HELD),
    failed=lists_of(FAILURES),
    repaired=lists_of(REPAIRS),
    journal_merged=st.booleans(),
    conffiles_kept=lists_of(WORDS),
    reboot=REBOOTS,
    lists=st.none() | LISTS,
    lock=st.builds(LockWait, waited_s=st.floats(0, 10**6), held_s=st.floats(0, 10**6), by=st.none() | WORDS),
    downloaded_bytes=st.integers(0, 10**12),
    message=WORDS,
    problem=WORDS,
)
FINDINGS = st.dictionaries(
    st.builds(VersionChange, package=NAMES, architecture=ARCHITECTURES, installed=VERSIONS, candidate=VERSIONS),
    st.none() | st.builds(ChangelogFindings, cves=CVES, security_upload=st.booleans(), complete=st.booleans()),
    max_size=3,
)
REFRESHES = st.builds(
    RefreshResult,
    verified_at=st.none() | TIMES,
    errors=lists_of(st.builds(SourceError, source=WORDS, fault=st.sampled_from(SourceFault), detail=WORDS)),
    sources=st.none() | st.dictionaries(WORDS, TIMES, max_size=3),
    finished_at=st.none() | TIMES,
)
ARCHIVES = lists_of(
    st.builds(Archive, package=NAMES, architecture=ARCHITECTURES, version=VERSIONS, file=NAMES | st.just(""))
)


def written(document: object) -> JsonReader:
    """Return a document as it is read from disk."""
    return JsonReader(json.loads(json.dumps(document)), "document")


def findings_about(items: tuple[Step | Held, ...]) -> Findings:
    """Return a finding for every second item."""
    subjects = [VersionChange.of(item) for item in items[::2]]
    found = ChangelogFindings(cves=("CVE-2026-1",), security_upload=True, complete=False)
    return {subject: found for subject in subjects if subject is not None}


@example(PLANS)
def test_a_plan_decodes_to_itself(plan: Plan) -> None:
    document = plan_to_document(plan, NOW, findings_about((*plan.install, *plan.held)))

    found, findings = plan_from_document(written(document))

    assert found == plan
    assert plan_to_document(found, NOW, findings) == document


@example(OUTCOMES)
def test_an_outcome_decodes_to_itself(outcome: Outcome) -> None:
    document = outcome_to_document(
        outcome, NOW, findings_about((*outcome.upgraded, *outcome.underway.steps, *outcome.held))
    )

    found, findings = outcome_from_document(written(document))

    assert found == outcome
    assert outcome_to_document(found, NOW, findings) == document


@example(PLANS)
def test_the_view_of_a_plan_reads_what_is_encoded(plan: Plan) -> None:
    view = PlanView(written(plan_to_document(plan, NOW, findings_about((*plan.install, *plan.held)))))

    assert [(step.package, step.candidate) for step in view.install] == [
        (step.package, step.candidate) for step in plan.install
    ]
    assert [held.why for held in view.held] == [held.why.value for held in plan.held]
    assert (view.id, view.other_updates, view.lists.updated_at) == (plan.id, plan.other_updates, plan.lists.updated_at)


@example(OUTCOMES)
def test_the_view_of_an_outcome_reads_what_is_encoded(outcome: Outcome) -> None:
    view = OutcomeView(written(outcome_to_document(outcome, NOW, findings_about(outcome.upgraded))))

    assert sorted(part.package for part in view.changed) == sorted(step.package for step in outcome.upgraded)
    assert (view.result, view.finished_at) == (outcome.result.value, outcome.finished_at)
    assert (view.upgraded_count, view.held_count) == (len(outcome.upgraded), len(outcome.held))


@example(REFRESHES)
def test_a_refresh_result_decodes_to_itself(refreshed: RefreshResult) -> None:
    assert refresh_from_document(written(refresh_to_document(refreshed, NOW))) == refreshed


@example(FINDINGS)
def test_changelog_findings_decode_to_themselves(findings: Findings) -> None:
    assert findings_from_document(written(findings_to_document(findings, NOW))) == findings


@example(ARCHIVES)
def test_prefetched_archives_decode_to_themselves(archives: tuple[Archive, ...]) -> None:
    assert archives_from_document(written(archives_to_document(archives, NOW))) == archives


@example(OUTCOMES)
def test_every_outcome_has_the_shape_of_its_schema(outcome: Outcome) -> None:
    schema = json.loads((CHECKOUT / "schemas/maestro.outcome-1.json").read_text())

    jsonschema.Draft7Validator(schema).validate(written(outcome_to_document(outcome, NOW)).raw)


@pytest.mark.parametrize(
    ("definition", "field", "words"),
    [
        (None, "scope", Scope),
        (None, "result", Result),
        ("lists_or_null", "state", ListsState),
        ("held", "why", Why),
        ("failure", "stage", Stage),
    ],
)
def test_a_schema_knows_every_value_of_an_enum(definition: str | None, field: str, words: type[Enum]) -> None:
    schema = json.loads((CHECKOUT / "schemas/maestro.outcome-1.json").read_text())
    part = schema["definitions"][definition] if definition else schema

    assert set(part["properties"][field]["enum"]) == {word.value for word in words}


@pytest.mark.parametrize("name", ["plan", "plan-never"])
def test_a_golden_plan_encodes_to_itself(name: str) -> None:
    document = json.loads((CHECKOUT / f"tests/golden/{name}.json").read_text())

    found, findings = plan_from_document(JsonReader(document, name))

    assert plan_to_document(found, NOW, findings) == document


@pytest.mark.parametrize(
    "path",
    [
        "golden/outcome.json",
        "golden/outcome-begun.json",
        "fixtures/state-8f639af/history/20261128T214724Z.json",
        "fixtures/state-8f639af/history/20261128T214726Z.json",
    ],
)
def test_a_recorded_outcome_encodes_to_itself(path: str) -> None:
    reader = JsonReader(json.loads((CHECKOUT / "tests" / path).read_text()), path)

    found, findings = outcome_from_document(reader)

    assert outcome_to_document(found, reader.time("generated_at"), findings) == reader.raw


@pytest.mark.parametrize("duration_us", [1, 499, 500, 999_999])
def test_times_that_cross_a_second_are_kept(duration_us: int) -> None:
    start = NOW + timedelta(microseconds=999_999)
    outcome = given.outcome(started_at=start, finished_at=start + timedelta(microseconds=duration_us))
    document = outcome_to_document(outcome, NOW)

    assert outcome_to_document(outcome_from_document(written(document))[0], NOW) == document


@example(st.integers(0, 999_999), st.integers(0, 10**11))
def test_the_times_of_a_run_are_kept(fraction_us: int, duration_us: int) -> None:
    start = NOW + timedelta(microseconds=fraction_us)
    outcome = given.outcome(started_at=start, finished_at=start + timedelta(microseconds=duration_us))
    document = outcome_to_document(outcome, NOW)

    assert outcome_to_document(outcome_from_document(written(document))[0], NOW) == document


@pytest.mark.parametrize(("field", "value"), [("result", "splendid"), ("scope", 7), ("failed", [{}]), ("lock", None)])
def test_a_malformed_outcome_is_an_error(field: str, value: object) -> None:
    document = {**outcome_to_document(given.outcome(), NOW), field: value}

    with pytest.raises(RecordError):
        outcome_from_document(written(document))


def test_a_run_whose_clock_was_set_back_is_of_unknown_length() -> None:
    outcome = given.outcome(started_at=NOW, finished_at=NOW - timedelta(minutes=59))

    document = outcome_to_document(outcome, NOW)
    found, _ = outcome_from_document(written(document))

    assert document["duration_s"] is None
    assert (found.started_at, found.finished_at) == (outcome.started_at, outcome.finished_at)
    for duration_s in (None, -3540.0):  # earlier versions wrote the negative number
        assert RunView(written({**document, "duration_s": duration_s})).duration_s is None
