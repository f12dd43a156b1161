"""The documents and texts that people and scripts rely on, byte for byte.

A change here is a change of the interface: additive within a schema's major number, and on purpose. After one,
`python -m tests.state.test_golden` rewrites the files; the diff of the commit shows the change.
"""

import io
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from dataclasses import replace
from datetime import timedelta, timezone
from pathlib import Path

import pytest

from agent.cli.output import print_json, print_lines
from agent.core.exposure import NO_EXPOSURE, Exposure, Fix
from agent.core.kernel_release import KernelComparison
from agent.core.model.facts import Lists, ListsState, Reboot, SourceError, SourceFault, SourceLists, Unseen
from agent.core.model.kernels import RunningKernel
from agent.core.model.outcome import Failure, LockWait, Outcome, Result, Stage, Undo
from agent.core.model.package import PackageId
from agent.core.model.plan import Plan, Why
from agent.core.model.release import release_support
from agent.core.model.scope import Scope
from agent.core.packages.cves import NO_FINDINGS, ChangelogFindings, Findings, VersionChange
from agent.core.packages.decide import plan_id
from agent.core.packages.explain import Explanation, explain_package
from agent.core.policy.policy import RebootMode, RebootPolicy
from agent.core.reboot.gates import GateFacts, GateRequest, LastRun, RebootOrigin, UserSession
from agent.core.reboot.local_gates import local_gates
from agent.core.reboot.model import RebootSchedule
from agent.core.reboot.opening import RebootRules
from agent.core.schemas import Document
from agent.core.windows import parse_window
from agent.report.engine_outcome_text import engine_outcome_lines
from agent.report.explanation_text import explanation_lines
from agent.report.layout import columns
from agent.report.outcome_text import history_cells, outcome_lines
from agent.report.plan_text import plan_lines
from agent.report.reasons import gate_texts
from agent.report.reboot_explanation import RebootLook, explain_reboot
from agent.report.status.document import Status, build_status, status_document
from agent.report.status.lines import status_lines
from agent.report.status.observed import CurrentBoot, Observed, RunningJob
from agent.state.documents.explanation import explanation_to_document
from agent.state.documents.exposure import exposure_summary
from agent.state.documents.outcome import outcome_to_document
from agent.state.documents.plan import plan_to_document, scan_to_document
from agent.state.documents.release import release_to_document
from agent.state.documents.snoozes import snooze_to_document
from agent.state.documents.soak import soak_to_document
from agent.state.json_reader import JsonReader
from agent.state.run_views import OutcomeView
from agent.state.snooze_view import SnoozeView
from agent.state.views import PlanView, RebootView, RunView, StateView
from tests.core import given
from tests.report.given_engine_outcome import (
    BLOCKED,
    FAILED,
    INTERRUPTED,
    RESTARTED,
    ROLLED_BACK,
    UNCHANGED,
    UPGRADED,
    view,
)

GATES_SHOWN = {
    *("lists", "installed", "offer", "hold", "blocklist", "allowlist", "signature", "rollout", "apt-preferences"),
    "dependencies",
}
GOLDEN = Path(__file__).resolve().parent.parent / "golden"
NOW = given.NOW
WAITS = "waiting for python3 (pid 66), which holds /var/lib/dpkg/lock-frontend"
LATER = NOW + timedelta(hours=3)
REBOOT = Reboot(
    required=True,
    packages=("libc6", "linux-image-6.1.0-20-amd64"),
    since=NOW - timedelta(days=2),
    flagged=True,
    flag_packages=("libc6",),
    kernel=RunningKernel(running="6.1.0-18-amd64", newest="6.1.0-20-amd64", outdated=True),
)
NO_REBOOT = Reboot(
    required=False,
    kernel=RunningKernel(running="6.1.0-20-amd64", newest="6.1.0-20-amd64", outdated=False),
)
PARTIAL = Lists(
    state=ListsState.PARTIAL,
    updated_at=NOW,
    errors=(
        SourceError(
            source="https://ppa.example.org/deb bookworm",
            fault=SourceFault.UNREACHABLE,
            detail="Could not resolve 'ppa.example.org'",
            security=False,
        ),
    ),
    sources=(
        SourceLists(
            source="https://security.example.org/debian bookworm-security",
            security=True,
            verified_at=NOW,
            released_at=NOW - timedelta(hours=7),
        ),
        SourceLists(source="https://ppa.example.org/deb bookworm", security=False, verified_at=None, released_at=None),
    ),
)
STALE = Lists(state=ListsState.STALE, updated_at=None)
OPENSSL = given.step(
    "openssl", source="openssl", installed="3.0.15-1~deb12u1", candidate="3.0.16-1~deb12u1", download_bytes=1435672
)
LIBSSL = given.step(
    "libssl3", source="openssl", installed="3.0.15-1~deb12u1", candidate="3.0.16-1~deb12u1", download_bytes=2024988
)
NEW = given.step("libnew1", installed=None, candidate="1.2-3", download_bytes=52000)
HELD = (
    given.held("docker.io", Why.RUNTIME_MANAGED, "belongs to the container runtime: upgrading it means downtime"),
    given.held("nginx", Why.HELD_BY_ADMIN, "marked hold (`apt-mark unhold` opens it)"),
    given.held("new-thing", Why.NEEDS_OTHER_ORIGIN, "needs x (>= 2), offered only by stable (Debian)", installed=None),
)
KEPT = replace(given.REMOVAL, package="linux-image-6.1.0-2-amd64", reason="marked hold (`apt-mark unhold` opens it)")


OTHER = given.other("libxml2", installed="2.9.14", candidate="2.9.14+dfsg-1.3~deb12u5")


NEWER = KernelComparison("6.1.0-18-amd64", "6.1.0-20-amd64", (("6.1.0-20-amd64", "6.1.85-1"),))
NEWEST = KernelComparison("6.1.0-18-amd64", "6.1.0-18-amd64", ())
NOT_INSTALLED = KernelComparison("6.1.0-18-amd64", None, ())


def fixes(*cves: str, complete: bool = True, security_upload: bool = True) -> ChangelogFindings:
    return ChangelogFindings(cves=cves, security_upload=security_upload, complete=complete)


def subject(package: str, installed: str = "1", candidate: str = "2") -> VersionChange:
    return VersionChange(package=package, architecture="amd64", installed=installed, candidate=candidate)


READINGS: Findings = {
    subject("openssl", "3.0.15-1~deb12u1", "3.0.16-1~deb12u1"): fixes("CVE-2024-13176", "CVE-2025-9230"),
    subject("libssl3", "3.0.15-1~deb12u1", "3.0.16-1~deb12u1"): fixes("CVE-2024-13176", complete=False),
    subject("docker.io"): fixes("CVE-2024-41110"),
    subject("nginx"): fixes(),
    subject("libxml2", "2.9.14", "2.9.14+dfsg-1.3~deb12u5"): fixes("CVE-2025-24928", "CVE-2025-27113"),
}
KERNEL: Findings = {subject("linux-image-amd64"): fixes(*(f"CVE-2026-{number}" for number in range(1000, 1064)))}


def full_plan() -> Plan:
    steps = (NEW, LIBSSL, OPENSSL)
    return given.plan(
        id=plan_id(Scope.SECURITY, steps, (given.REPAIR,), (given.REMOVAL,)),
        remove=(given.REMOVAL,),
        kept=(KEPT,),
        lists=PARTIAL,
        install=steps,
        held=HELD,
        repair=(given.REPAIR,),
        reboot=REBOOT,
        other_updates=7,
        other_held=2,
        others=(OTHER,),
        esm_only=(given.held("libavcodec59", Why.ESM_ONLY, "only Ubuntu Pro has it", source="ffmpeg"),),
    )


def many_plan() -> Plan:
    steps = tuple(given.step(f"p{number:02}") for number in range(10))
    return given.plan(id=plan_id(Scope.SECURITY, steps, ()), install=steps)


def never_plan() -> Plan:
    fault = SourceError(
        source="apt sources",
        fault=SourceFault.NOT_CONFIGURED,
        detail="no configured source is an allowed origin",
        security=True,
    )
    never = Lists(state=ListsState.NEVER, updated_at=None, errors=(fault,))
    return given.plan(lists=never, reboot=Unseen(reason="/run/reboot-required: Permission denied"))


def full_outcome() -> Outcome:
    return given.outcome(
        finished_at=NOW + timedelta(seconds=42, milliseconds=250),
        result=Result.FAILED,
        upgraded=(replace(NEW, replaces=(PackageId.parse("libnew0:amd64"),)), LIBSSL, OPENSSL),
        removed=(PackageId.parse("libnew0:amd64"), PackageId.parse("libold1:amd64")),
        removed_kernels=(given.REMOVAL,),
        held=HELD,
        failed=(
            Failure(
                package=PackageId.parse("mariadb-server:amd64"),
                stage=Stage.CONFIGURE,
                error="installed post-installation script returned error exit status 1",
                detail="dpkg state: half-configured",
            ),
        ),
        repaired=(given.REPAIR,),
        conffiles_kept=("/etc/ssl/openssl.cnf",),
        reboot=REBOOT,
        lists=PARTIAL,
        lock=LockWait(waited_s=12.5, held_s=8.25, by="apt-get (pid 812, since 2026-11-23 05:09:00 UTC)"),
        downloaded_bytes=3512660,
        requested_by="alice",
        log="/var/lib/maestro-agent/history/20261123T051000Z.log",
        undo=Undo(obstacle="the run removed libold1"),
    )


def up_to_date() -> Outcome:
    return given.outcome(
        finished_at=NOW + timedelta(seconds=3),
        result=Result.UP_TO_DATE,
        requested_by="schedule",
        reboot=Reboot(required=False),
        lists=given.FRESH,
    )


def begun() -> Outcome:
    return given.outcome(id="20261122T051000Z-2", scope=Scope.ALL, message="begun; if this stands, it was cut off")


def read(document: Document) -> JsonReader:
    return JsonReader(document, "golden")


def plan(made: Plan) -> Document:
    return plan_to_document(made, NOW, READINGS)


def run(made: Outcome) -> Document:
    return outcome_to_document(made, NOW + timedelta(minutes=1), READINGS)


FIXES_OF_OPENSSL = Exposure(
    fixes=(
        Fix(
            package="openssl",
            architecture="amd64",
            version="2",
            source="openssl",
            pending_since=NOW - timedelta(days=9),
        ),
        Fix(
            package="openssl",
            architecture="amd64",
            version="1",
            source="openssl",
            pending_since=NOW - timedelta(days=90),
            installed_at=NOW - timedelta(days=89),
            active_at=NOW - timedelta(days=88),
        ),
    )
)


def explanation(found: Explanation, findings: Findings = NO_FINDINGS) -> Document:
    """Return the document of an explanation; a gate added to the registry changes no golden file."""
    shown = tuple(gate for gate in found.gates if gate.name in GATES_SHOWN)
    return explanation_to_document(
        replace(found, gates=shown),
        NOW,
        findings,
        wording=gate_texts,
        exposure=FIXES_OF_OPENSSL if found.candidate else NO_EXPOSURE,
    )


def package() -> Document:
    update = given.update("openssl", on_hold=True, phased=20)
    made = given.plan(held=(given.held("openssl"),))
    return explanation(explain_package(given.policy(), given.facts(update), made, given.known("openssl")))


def kernel() -> Document:
    update = given.update("linux-image-amd64")
    made = given.plan(install=(given.step("linux-image-amd64"),))
    known = given.known("linux-image-amd64")
    return explanation(explain_package(given.policy(), given.facts(update), made, known), KERNEL)


def reboot(flag: Reboot | Unseen) -> Document:
    """Explain a reboot: one that is required waits for users and for the fleet lock, and is scheduled."""
    policy = RebootPolicy(policy=RebootMode.WINDOW, window="Sat 02:00-04:00")
    rules = RebootRules(policy=policy, window=parse_window(policy.window, lambda _name: timezone.utc))
    users = (UserSession(id="3", user="alice", terminal="pts/0", remote="192.0.2.7"),)
    facts = GateFacts(last_run=LastRun(result="updated"), sessions=users if flag is REBOOT else ())
    states = local_gates(facts, GateRequest(origin=RebootOrigin.POLICY), rules, now=NOW, local=timezone.utc)
    look = RebootLook(reboot=flag, gates=states, hooks=2, lock_server="https://lock.example.org, group web")
    if flag is REBOOT:
        schedule = RebootSchedule(at=LATER, until=LATER + timedelta(hours=2), created_at=NOW, requested_by="root")
        look = replace(look, schedule=schedule)
    return explain_reboot(look, NOW)


EXPOSURE = Exposure(
    fixes=(
        Fix(
            package="libssl3",
            architecture="amd64",
            version="3.0.15-1~deb12u1",
            source="openssl",
            pending_since=NOW - timedelta(days=9),
            installed_at=NOW - timedelta(days=8),
            units=("cron.service", "ssh.service"),
        ),
        Fix(
            package="a",
            architecture="amd64",
            version="2",
            source="a",
            pending_since=NOW - timedelta(days=1),
        ),
    )
)


def status(
    made: Plan | None, last: Outcome | None, flag: Reboot | None = None, running: RunningJob | None = None
) -> Status:
    state: Document = {
        "schema": "maestro.state/1",
        "generated_at": "2026-11-23T05:10:01Z",
        "fresh_until": "2026-11-24T17:10:00Z",
        **scan_to_document(given.WATCHED),
        "exposure": exposure_summary(EXPOSURE if flag else NO_EXPOSURE),
        "release": release_to_document(release_support(given.BOOKWORM, PARTIAL)),
        "soak": soak_to_document(given.SOAK, 50) if flag else None,
        "plan": plan(made) if made else None,
    }
    snoozes = [SnoozeView(read(snooze_to_document(given.snooze("a"))))]
    observed = Observed(
        host="server1",
        os="Debian GNU/Linux 12 (bookworm)",
        boot=CurrentBoot(given.BOOT, None, NEWER if flag else NEWEST if made else NOT_INSTALLED),
        reboot=RebootView(flag.packages, flag.since, required=True) if flag else None,
        state=StateView(read(state)) if made else None,
        last_run=RunView(read(run(last))) if last else None,
        running=running,
        snoozes=snoozes if flag else None,
    )
    found = build_status(observed, LATER)
    found.version = "0.5.0"
    return found


DOCUMENTS: dict[str, Callable[[], Document]] = {
    "plan": lambda: plan(full_plan()),
    "plan-never": lambda: plan(never_plan()),
    "outcome": lambda: run(full_outcome()),
    "outcome-begun": lambda: run(begun()),
    "explain": package,
    "explain-reboot": lambda: reboot(REBOOT),
    "status": lambda: status_document(status(full_plan(), full_outcome(), REBOOT)),
    "status-never": lambda: status_document(status(None, None)),
}
TEXTS: dict[str, Callable[[], Sequence[str]]] = {
    **{
        f"docker-upgrade-{outcome.result.value}": lambda outcome=outcome: engine_outcome_lines(view(outcome))  # type: ignore[misc]
        for outcome in (UPGRADED, RESTARTED, ROLLED_BACK, FAILED, BLOCKED, UNCHANGED, INTERRUPTED)
    },
    "check": lambda: plan_lines(PlanView(read(plan(full_plan())))),
    "check-verbose": lambda: plan_lines(PlanView(read(plan(full_plan()))), verbose=True),
    "check-one": lambda: plan_lines(PlanView(read(plan(given.plan(install=(given.step(),), scope=Scope.ALL))))),
    "check-stale": lambda: plan_lines(PlanView(read(plan(given.plan(lists=STALE))))),
    "check-nothing": lambda: plan_lines(PlanView(read(plan(given.plan())))),
    "check-never": lambda: plan_lines(PlanView(read(plan(never_plan())))),
    "upgrade": lambda: outcome_lines(OutcomeView(read(run(full_outcome())))),
    "upgrade-one": lambda: outcome_lines(
        OutcomeView(read(run(replace(up_to_date(), upgraded=(NEW,), result=Result.UPDATED))))
    ),
    "upgrade-up-to-date": lambda: outcome_lines(OutcomeView(read(run(up_to_date())))),
    "upgrade-begun": lambda: outcome_lines(OutcomeView(read(run(begun())))),
    "history": lambda: columns(
        [history_cells(RunView(read(run(made)))) for made in (full_outcome(), up_to_date(), begun())], indent=0
    ),
    "explain": lambda: explanation_lines(read(package())),
    "explain-verbose": lambda: explanation_lines(read(kernel()), verbose=True),
    "explain-cves": lambda: explanation_lines(read(kernel())),
    "explain-reboot": lambda: explanation_lines(read(reboot(REBOOT))),
    "explain-no-reboot": lambda: explanation_lines(read(reboot(NO_REBOOT))),
    "explain-unseen-reboot": lambda: explanation_lines(read(reboot(Unseen(reason="Permission denied")))),
    "status": lambda: status_lines(status(full_plan(), full_outcome(), REBOOT)),
    "status-healthy": lambda: status_lines(status(given.plan(), up_to_date())),
    "status-many": lambda: status_lines(status(many_plan(), None)),
    "status-never": lambda: status_lines(status(None, None)),
    "status-running": lambda: status_lines(
        status(given.plan(), begun(), running=RunningJob(812, ("upgrade", NOW), WAITS))
    ),
    "status-no-source": lambda: status_lines(status(never_plan(), None)),
}


def printed(name: str) -> str:
    """Return a command's output, by the name of its golden file."""
    out = io.StringIO()
    stem, _, kind = name.partition(".")
    with redirect_stdout(out):
        if kind == "json":
            print_json(DOCUMENTS[stem]())
        else:
            print_lines(TEXTS[stem]())
    return out.getvalue()


NAMES = [*(f"{name}.json" for name in DOCUMENTS), *(f"{name}.txt" for name in TEXTS)]


@pytest.mark.parametrize("name", NAMES)
def test_output_equals_its_golden_file(name: str) -> None:
    assert printed(name) == (GOLDEN / name).read_text()


def test_every_golden_file_is_compared() -> None:
    assert sorted(path.name for path in GOLDEN.iterdir()) == sorted(NAMES)


if __name__ == "__main__":
    for each in NAMES:
        (GOLDEN / each).write_text(printed(each))
