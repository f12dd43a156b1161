"""The agent's own files, damaged: the state directory, /run, the outbox, and the documents that commands print."""

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from agent.core.job_kinds import JobOption
from agent.core.model.outcome import ForeignChange, ProvisionPhase
from agent.core.model.release import release_support
from agent.core.packages.first_seen import Counted, Sighting, advance, with_ages
from agent.core.packages.snoozes import ended, in_force, snoozed_package
from agent.core.packages.soak import waiting
from agent.core.policy.policy import DailyJobMode, ProvisionPolicy, RebootMode, RebootPolicy, SoakPolicy
from agent.core.provision.model import Provision
from agent.core.reboot.gates import RebootOrigin
from agent.core.reboot.model import BootIdentity, RebootCourse, RebootPhase, RebootSchedule
from agent.core.schemas import (
    DAEMON_SCHEMA,
    EXPORTER_SCHEMA,
    EXPOSURE_SCHEMA,
    JOBS_SCHEMA,
    OWED_HOOKS_SCHEMA,
    STATE_SCHEMA,
)
from agent.core.unattended_upgrades.patcher import daily_patcher
from agent.core.windows import Opening
from agent.errors import RecordError
from agent.report.explanation_text import explanation_lines
from agent.report.layout import lay_out
from agent.report.outbox.file import open_outbox
from agent.report.outbox.transaction import OutboxLimits
from agent.report.outcome_text import history_cells, outcome_lines
from agent.report.plan_text import plan_lines
from agent.report.prometheus.exposition import exposition
from agent.report.source import ReportSource
from agent.report.status.collect import collect_status
from agent.report.status.document import build_status, status_document
from agent.report.status.lines import status_lines
from agent.state.documents.first_seen import first_seen_to_document
from agent.state.documents.provision import provision_to_document
from agent.state.documents.reboot_course import course_to_document, schedule_to_document, skipped_to_document
from agent.state.documents.reboot_outcome import reboot_outcome_to_document
from agent.state.documents.release import release_to_document
from agent.state.documents.snoozes import snoozes_to_document
from agent.state.documents.soak import soak_to_document
from agent.state.documents.unattended_upgrades import daily_job_to_document
from agent.state.json_reader import JsonReader
from agent.state.owed_hooks import owed_hooks
from agent.state.process_id import own_process_id
from agent.state.record import Record
from agent.state.run_views import OutcomeView
from agent.state.store import Store
from agent.state.views import PlanView
from agent.state.waiting_record import WaitingRecord
from agent.worker.daily_turn import stands_aside
from agent.worker.provision_runs import provision_run
from agent.worker.reboot_runs import reboot_runs
from tests.core import given
from tests.core.unattended_upgrades.test_patcher import ON
from tests.fuzz.mutation import Choices
from tests.fuzz.target import CHECKOUT, CHOICES, Parse, Target, documents, golden
from tests.report.given_reboot_outcome import PROBLEMS, SESSIONS

_MOMENT = "2026-11-23T08:10:00Z"
_NOW = datetime(2026, 11, 23, 8, 10, tzinfo=timezone.utc)
_HOST = "0e3f3d1e-7a0e-4c3c-9a53-1b1f3a0c7d0e"
_RUN = "history/20261123T081000Z.json"


def _files() -> dict[str, Any]:
    """Return valid contents for the state directory, as an earlier version wrote them and as this one does."""
    earlier = CHECKOUT / "tests/fixtures/state-8f639af"
    return {
        **{path.name: json.loads(path.read_text(encoding="utf-8")) for path in sorted(earlier.glob("*.json"))},
        "state.json": {
            "schema": STATE_SCHEMA,
            "generated_at": _MOMENT,
            "fresh_until": _MOMENT,
            "plan": golden("plan"),
            "services": golden("status")["services"],
            "exposure": golden("status")["exposure"],
            "release": release_to_document(release_support(given.BOOKWORM, given.facts().lists)),
            "soak": soak_to_document(SoakPolicy(security=timedelta(days=7), override=("a*",)), 7),
        },
        "exposure.json": {"schema": EXPOSURE_SCHEMA, "generated_at": _MOMENT, **golden("status")["exposure"]},
        "jobs.json": {
            "schema": JOBS_SCHEMA,
            "generated_at": _MOMENT,
            "since": None,
            "jobs": golden("status")["jobs"],
        },
        _RUN: golden("outcome"),
        **_reboot_files(),
        **_waiting_files(),
        "run/daemon.json": {
            "schema": DAEMON_SCHEMA,
            "process": own_process_id(),
            "version": "0.1.0",
            "started_at": _MOMENT,
            "seen_at": _MOMENT,
            "next_look_at": _MOMENT,
            "next_look_monotonic_s": 1.5,
            "doing": "idle",
            "problems": ["x"],
            "next": {"check": _MOMENT},
        },
        "run/exporter-endpoint.json": {
            "schema": EXPORTER_SCHEMA,
            "generated_at": _MOMENT,
            "exporters": golden("status")["reporting"],
        },
    }


def _reboot_files() -> dict[str, Any]:
    """Return a reboot that waits for a gate, one that is scheduled, and the last outcome."""
    course = RebootCourse(
        run_id="20261123T081000Z",
        origin=RebootOrigin.POLICY,
        phase=RebootPhase.FIRED,
        entered_at=_NOW,
        boot=BootIdentity(boot_id=_HOST, soft_reboots=1),
        failed_units=("cron.service",),
        blocked=SESSIONS,
        warned_at=_NOW,
        retry_at=_NOW,
    )
    schedule = RebootSchedule(at=_NOW, until=_NOW, created_at=_NOW, options=frozenset({JobOption.IF_REQUIRED}))
    return {
        "reboot.json": course_to_document(course, _NOW),
        "reboot-schedule.json": schedule_to_document(schedule, _NOW),
        "skipped-opening.json": skipped_to_document(Opening(start=_NOW, end=_NOW), _NOW),
        "reboot-outcome.json": reboot_outcome_to_document(PROBLEMS, _NOW),
    }


def _waiting_files() -> dict[str, Any]:
    """Return what waits, how far provisioning has come, who patches, and hooks that are owed."""
    seen = Sighting(package="a", architecture="amd64", version="2", security=True, first_seen_at=_NOW, gone_at=_NOW)
    behind = replace(seen, version="3", gone_at=None, counted=Counted(waited=timedelta(hours=7), at=_NOW))
    provision = Provision(
        machine="m",
        phase=ProvisionPhase.REBOOTING,
        started_at=_NOW,
        entered_at=_NOW,
        version="1",
        runs=("20261123T081000Z",),
        before=(ForeignChange(by="cloud-init", at=_NOW, installed=1, upgraded=2, removed=()),),
    )
    patcher = daily_patcher(DailyJobMode.COEXIST, upgrades=True, theirs=ON)
    daily_job = daily_job_to_document(
        ON, patcher, mode=DailyJobMode.COEXIST, generated_at=_NOW, stood_down=None, overdue="x", problem=""
    )
    return {
        "first-seen.json": first_seen_to_document((seen, behind), _NOW),
        "snoozes.json": snoozes_to_document((given.snooze("a"), given.snooze("CVE-2026-0001", ended_at=_NOW)), _NOW),
        "provision.json": provision_to_document(provision, _NOW),
        "unattended-upgrades.json": daily_job,
        "owed-hooks.json": {"schema": OWED_HOOKS_SCHEMA, "generated_at": _MOMENT, "run": "x", "directory": "y"},
    }


def _state(directory: Path) -> Parse:
    """Read everything that `status`, reports and jobs read; one file is damaged each time."""
    files = _files()
    names = sorted(files)
    for name in names:
        (directory / name).parent.mkdir(exist_ok=True)
        (directory / name).write_text(json.dumps(files[name]))
    encoders = {name: documents([files[name]]) for name in names}

    def parse(data: bytes) -> None:
        name = Choices(data).one_of(names)
        path = directory / name
        path.write_bytes(encoders[name](data[1:]))
        try:
            _read_all(directory)
        finally:
            for aside in directory.rglob("*damaged*"):
                aside.unlink()
            path.write_text(json.dumps(files[name]))

    return parse


def _read_all(directory: Path) -> None:
    store, run_dir = Store(str(directory)), str(directory / "run")
    status = build_status(collect_status(store, run_dir), _NOW)
    json.dumps(status_document(status))
    for verbose in (False, True):
        list(lay_out(status_lines(status, verbose=verbose), 60))
    exposition(ReportSource(store, run_dir).metrics_report(), compatible_names=True)
    record = Record(store)
    reads = (record.load_refresh, record.findings, record.prefetched, record.last_plans, record.exposure)
    for read in (*reads, record.interrupted_run):
        read()
    window = RebootPolicy(policy=RebootMode.WINDOW, window="Mon 02:00-04:00")
    for policy in (RebootPolicy(), window):
        reboot_runs(replace(given.policy(), reboot=policy), store, {}, boot_id=_HOST, now=_NOW, local=timezone.utc)
    _read_waiting(store)


def _read_waiting(store: Store) -> None:
    """Read and advance what waits, and decide what the daemon starts by it."""
    record, facts = WaitingRecord(store), replace(given.facts(given.update("a", candidate="4")), seen_at=_NOW)
    seen = advance(record.load_first_seen(), facts)
    updates = tuple(with_ages(seen, facts.updates, _NOW, 50))
    soak = SoakPolicy(security=timedelta(days=365), rollout=timedelta(days=90))
    for update in updates:
        waiting(replace(given.policy(), soak=soak), update)
    record.save_first_seen(seen, _NOW)
    with suppress(RecordError):
        snoozes = ended(record.load_snoozes(), _NOW)
        snoozed_package(in_force(snoozes, _NOW), updates[0].id)
        snoozes_to_document(snoozes, _NOW)
    stands_aside(given.policy(), store)
    provision_run(ProvisionPolicy(first_boot=True), store, None, _NOW)
    owed_hooks(store)


def _outbox(directory: Path) -> Parse:
    box = directory / "outbox"
    limits = OutboxLimits(size=100_000, age=timedelta(days=30))
    with open_outbox(str(box), _HOST, limits, _NOW):
        pass
    file = box / "outbox.sqlite"
    intact = file.read_bytes()

    def parse(data: bytes) -> None:
        choices = Choices(data)
        content = bytearray(intact)
        for _ in range(1 + choices.below(8)):
            content[choices.below(len(content))] = choices.below(256)
        for path in box.iterdir():
            path.unlink()
        file.write_bytes(content[: len(content) - choices.below(4) * 700])
        with open_outbox(str(box), _HOST, limits, _NOW) as opened:
            assert opened.state.host_id == _HOST

    return parse


def _rendered(render: Callable[[JsonReader], object], *names: str) -> Callable[[Path], Parse]:
    """Return a parser of damaged golden documents that renders them as a command does."""

    def prepare(_directory: Path) -> Parse:
        encode = documents([golden(name) for name in names])

        def parse(data: bytes) -> None:
            try:
                document = json.loads(encode(data))
            except (ValueError, RecursionError):
                return
            render(JsonReader(document, "document"))

        return parse

    return prepare


def _outcome(document: JsonReader) -> None:
    outcome = OutcomeView(document)
    history_cells(outcome)
    list(lay_out(outcome_lines(outcome, verbose=True), 60))


def _plan(document: JsonReader) -> None:
    for verbose in (False, True):
        list(lay_out(plan_lines(PlanView(document), verbose=verbose), 60))


def _explanation(document: JsonReader) -> None:
    for verbose in (False, True):
        list(lay_out(explanation_lines(document, verbose=verbose), 60))


_SHOWN = (RecordError,)
TARGETS = (
    Target(name="state-directory", prepare=_state, seeds=CHOICES),
    Target(name="outbox", prepare=_outbox, seeds=CHOICES),
    Target(name="outcome", prepare=_rendered(_outcome, "outcome", "outcome-begun"), seeds=CHOICES, errors=_SHOWN),
    Target(name="plan", prepare=_rendered(_plan, "plan", "plan-never"), seeds=CHOICES, errors=_SHOWN),
    Target(
        name="explanation", prepare=_rendered(_explanation, "explain", "explain-reboot"), seeds=CHOICES, errors=_SHOWN
    ),
)
