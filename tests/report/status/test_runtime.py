"""The running kernel and services in `status`: services are known for the current boot only."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from agent.core.kernel_release import KernelComparison
from agent.core.model.facts import Reboot, Unseen
from agent.core.reboot.services import ServiceScan
from agent.core.restart.model import RestartAction, RestartUnit, UnitResult
from agent.core.restart.never import never_restarted
from agent.errors import RecordError
from agent.report.status.document import build_status
from agent.report.status.health import Health
from agent.report.status.lines import status_lines
from agent.report.status.needs import needs
from agent.report.status.observed import CurrentBoot, Observed
from agent.report.status.restarts import COMMAND, restart_lines
from agent.report.status.runtime import Runtime
from agent.state.documents.plan import plan_to_document, scan_to_document
from agent.state.json_reader import JsonReader
from agent.state.timestamps import format_utc
from agent.state.views import RebootView, StateView
from tests.core import given

NOW = given.NOW
RUNNING = "6.1.0-2-amd64"
NOT_INSTALLED = KernelComparison(RUNNING, None, ())
NEWEST = KernelComparison(RUNNING, RUNNING, ())
OUTDATED = KernelComparison(RUNNING, "6.1.0-3-amd64", (("6.1.0-3-amd64", "6.1.9-1"),))
REBUILT = KernelComparison(RUNNING, RUNNING, ((RUNNING, "6.1.9-2"),))
PRESENT = CurrentBoot(given.BOOT, RUNNING)


def planned(unit: str) -> RestartUnit:
    """Return what `restart-services` plans for a running service."""
    found = never_restarted(unit)
    if found is not None:
        return RestartUnit(
            unit=unit,
            action=RestartAction.NONE,
            result=UnitResult.LEFT,
            why=found.why,
            values=found.values,
        )
    return RestartUnit(unit=unit, action=RestartAction.RESTART, result=UnitResult.PLANNED)


def record(*units: str, unseen: str = "", boot_id: str | None = given.BOOT) -> dict[str, Any]:
    watched = ServiceScan(
        boot_id=boot_id,
        replaced=Unseen(reason=unseen) if unseen else units,
        restarts=tuple(planned(unit) for unit in units),
    )
    return {
        "generated_at": format_utc(NOW - timedelta(hours=2)),
        "fresh_until": format_utc(NOW + timedelta(hours=36)),
        **scan_to_document(watched),
        "plan": plan_to_document(given.plan(), NOW),
    }


def without_restarts(state: dict[str, Any]) -> dict[str, Any]:
    """Return the record of an earlier version."""
    state["services"].pop("restarts")
    return state


def part(state: dict[str, Any] | None, present: CurrentBoot = PRESENT) -> dict[str, Any]:
    return Runtime(StateView(JsonReader(state, "state")) if state is not None else None, present).document


def text(state: dict[str, Any], kernel: KernelComparison = NEWEST) -> list[str]:
    boot = CurrentBoot(given.BOOT, kernel=kernel)
    status = build_status(Observed(state=StateView(JsonReader(state, "state")), boot=boot), NOW)
    assert (status.health, status.attention) == (Health.HEALTHY, [])
    lines = status_lines(status)
    return [line for line in lines if line.startswith(("Kernel", "Restart"))]


def test_an_observation_of_this_boot_is_shown_with_its_time() -> None:
    assert part(record("cron.service"))["services"] == {
        "seen_at": "2026-11-23T03:10:00Z",
        "deleted_files": ["cron.service"],
        "sessions": [],
        "restarts": [{"unit": "cron.service", "action": "restart", "why": None, "remedy": ""}],
        "failed_restarts": [],
    }


def test_a_session_is_shown_with_its_user() -> None:
    scan = ServiceScan(boot_id=given.BOOT, replaced=("session-3.scope",), users=(("session-3.scope", "bob"),))
    state = {**record(), **scan_to_document(scan)}

    assert part(state)["services"]["sessions"] == [{"unit": "session-3.scope", "user": "bob"}]
    assert text(state)[1:] == [
        "Restart needed   1 (checked 2 hours ago): `maestro-agent restart-services` restarts services"
    ]


def test_a_kernel_without_image_asks_for_attention_and_names_its_package() -> None:
    kernel = KernelComparison(RUNNING, RUNNING, ())
    kernel.without_image = ("linux-image-6.1.0-3-amd64",)
    state = StateView(JsonReader(record(), "state"))

    status = build_status(Observed(state=state, boot=CurrentBoot(given.BOOT, kernel=kernel)), NOW)

    assert status.health == Health.ATTENTION
    assert any("linux-image-6.1.0-3-amd64" in reason and "/boot" in reason for reason in status.attention)


@pytest.mark.parametrize(
    ("kernel", "expected"),
    [
        (NOT_INSTALLED, {"running": RUNNING, "newest": None, "outdated": None}),
        (NEWEST, {"running": RUNNING, "newest": RUNNING, "outdated": False}),
        (OUTDATED, {"running": RUNNING, "newest": "6.1.0-3-amd64", "outdated": True}),
        (REBUILT, {"running": RUNNING, "newest": RUNNING, "outdated": True}),
    ],
)
def test_the_kernel_is_that_of_now(kernel: KernelComparison, expected: dict[str, Any]) -> None:
    assert part(record(), CurrentBoot(given.BOOT, kernel=kernel))["kernel"] == expected


@pytest.mark.parametrize(
    ("state", "present"),
    [
        (None, PRESENT),
        (record(boot_id="b0000000-0000-4000-8000-000000000002"), PRESENT),
        (record(boot_id=None), PRESENT),
        (record(boot_id=None), CurrentBoot(None, RUNNING)),
        (record(), CurrentBoot(None, RUNNING)),
        ({name: record()[name] for name in ("generated_at", "fresh_until", "plan")}, PRESENT),
    ],
    ids=[
        "no record",
        "another boot",
        "seen in no boot",
        "no boot at all",
        "no boot now",
        "an earlier version's record",
    ],
)
def test_an_observation_of_another_boot_is_unknown(state: dict[str, Any] | None, present: CurrentBoot) -> None:
    assert part(state, present)["services"] is None


def test_processes_that_could_not_be_scanned_are_not_shown_as_none() -> None:
    assert part(record(unseen="/proc/1/exe: Permission denied"))["services"] is None
    assert part(record())["services"]["deleted_files"] == []


@pytest.mark.parametrize(
    "damage",
    [
        {"boot_id": 7},
        {"services": []},
        {"services": {"deleted_files": ["a", 7]}},
    ],
    ids=str,
)
def test_a_malformed_record_is_an_error_with_its_place(damage: dict[str, Any]) -> None:
    with pytest.raises(RecordError, match="state: "):
        part({**record(), **damage})


@pytest.mark.parametrize(
    ("kernel", "line"),
    [
        (OUTDATED, "6.1.0-2-amd64; 6.1.0-3-amd64 is installed and needs a reboot"),
        (REBUILT, "6.1.0-2-amd64; a newer build of it is installed and needs a reboot"),
        (NEWEST, "6.1.0-2-amd64, the newest installed"),
        (NOT_INSTALLED, "6.1.0-2-amd64; newest installed kernel unknown"),
    ],
)
def test_the_kernel_line(kernel: KernelComparison, line: str) -> None:
    assert text(record(), kernel)[0] == f"Kernel           {line}"


def test_the_kernel_of_a_container_is_its_hosts() -> None:
    boot = CurrentBoot(given.BOOT, kernel=NOT_INSTALLED, in_container=True)

    assert Runtime(None, boot).lines(NOW, width=9, verbose=False)[0] == f"Kernel   {RUNNING}, of this container's host"


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (record(), ["none (checked 2 hours ago)"]),
        (record("a.service"), [f"1 (checked 2 hours ago): run {COMMAND}", "a"]),
        (record("docker.service"), ["1 (checked 2 hours ago)", "docker (`maestro-agent docker plan`, or a reboot)"]),
        (
            record("a.service", "dbus.service", "ssh.service"),
            [f"3 (checked 2 hours ago): {COMMAND} restarts 2", "a, ssh, dbus (reboot)"],
        ),
        (
            without_restarts(record("a.service", "dbus.service")),
            [f"2 (checked 2 hours ago): {COMMAND} restarts services", "a, dbus"],
        ),
        (
            record("init.scope", *(f"{letter}.service" for letter in "abcdefghi")),
            [
                f"10 (checked 2 hours ago): run {COMMAND}",
                "systemd, a, b, c, d, e, f, g and 2 more (`maestro-agent status --all`)",
            ],
        ),
        (record(unseen="no"), ["unknown until the next check"]),
    ],
)
def test_services_that_need_a_restart_come_with_what_helps_and_change_no_health(
    state: dict[str, Any], expected: list[str]
) -> None:
    status = build_status(Observed(state=StateView(JsonReader(state, "state")), boot=CurrentBoot(given.BOOT)), NOW)

    lines = status.runtime.lines(NOW, width=17, verbose=False)[1:]

    assert lines[0].startswith("Restart needed   ")
    assert [line[17:] for line in lines] == expected
    assert status.health is Health.HEALTHY


def test_all_services_are_listed_on_request() -> None:
    runtime = Runtime(StateView(JsonReader(record(*(f"s{n}.service" for n in range(12))), "state")), PRESENT)

    assert len(runtime.lines(NOW, width=17, verbose=True)) == 2 + 12


def test_an_upgrade_ends_with_what_is_to_be_restarted_or_without_a_line() -> None:
    needed = StateView(JsonReader(record("nginx.service", "dbus.service"), "state")).needed_restarts

    (line,) = restart_lines(["dbus.service", "nginx.service"], needed)

    assert f"(2 still run replaced files): nginx, dbus (reboot); {COMMAND} restarts 1" in line
    assert restart_lines([], {}) == []


def failed(active_state: str | None, boot_id: str = given.BOOT) -> Observed:
    state = {**record(boot_id=boot_id), "failed_restarts": [{"unit": "app.service", "active_state": active_state}]}
    return Observed(state=StateView(JsonReader(state, "state")), boot=CurrentBoot(given.BOOT))


@pytest.mark.parametrize("active_state", ["failed", "inactive", None])
def test_a_service_whose_restart_failed_needs_a_person(active_state: str | None) -> None:
    status = build_status(failed(active_state), NOW)

    assert status.health is Health.ATTENTION
    assert [(need.code, need.key) for need in needs(status)] == [("service-failed", "service-failed app.service")]
    services: Any = status.runtime.document["services"]
    assert services["failed_restarts"] == [{"unit": "app.service", "active_state": active_state}]


def test_a_failed_restart_of_another_boot_is_unknown() -> None:
    assert build_status(failed("failed", "another"), NOW).health is Health.HEALTHY


@pytest.mark.parametrize(
    ("boot_id", "required", "now", "expected"),
    [
        (given.BOOT, True, NOW, NOW - timedelta(days=2)),
        (given.BOOT, True, None, NOW - timedelta(days=2)),
        (given.BOOT, True, NOW - timedelta(days=3), NOW - timedelta(days=3)),
        ("another", True, NOW, NOW),
        (None, True, NOW, NOW),
        (given.BOOT, False, NOW, NOW),
    ],
    ids=["touched-again", "unknown-now", "earlier-now", "another-boot", "no-boot-id", "not-required-then"],
)
def test_since_when_a_reboot_is_required_is_kept_within_a_boot(
    boot_id: str | None, now: datetime | None, expected: datetime, *, required: bool
) -> None:
    reboot = Reboot(required=required, since=NOW - timedelta(days=2) if required else None)
    state = StateView(JsonReader({**record(), "plan": plan_to_document(given.plan(reboot=reboot), NOW)}, "state"))

    view = RebootView((), now, required=True).since_at_least(state.reboot_required_since(boot_id))

    assert view.since == expected


def test_a_reboot_that_is_not_required_has_no_time() -> None:
    assert RebootView((), None, required=False).since_at_least(NOW).since is None
