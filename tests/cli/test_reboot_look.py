"""What `explain reboot` looks at: a part that cannot be read hides no other one."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from agent.cli.reboot_look import look_at_reboot
from agent.core.model.outcome import ProvisionPhase
from agent.core.provision.model import Provision
from agent.core.reboot.gates import RebootGate, Verdict
from agent.host.machine.boot_id import boot_id
from agent.host.machine.identity import host_id
from agent.report.explanation_text import explanation_lines
from agent.report.reboot_explanation import explain_reboot
from agent.state.json_reader import JsonReader
from agent.state.provision_record import save_provision
from agent.state.reboot_record import RebootRecord
from agent.state.store import Store
from agent.state.timestamps import format_utc, utc_now
from tests.report.status.test_reboots import IN_WINDOW

GOOD = '[reboot]\nfleetlock_url = "https://lock.example.org"\nfleetlock_group = "web"\n'


def look(directory: Path, text: str) -> tuple[dict[RebootGate, Verdict], str, tuple[str, ...]]:
    config = directory / "config.toml"
    config.write_text(text)
    found = look_at_reboot(config, str(directory))
    return {state.gate: state.verdict for state in found.gates}, found.lock_server, found.problems


def test_server_and_group_of_the_lock_are_those_of_the_configuration(tmp_path: Path) -> None:
    verdicts, server, problems = look(tmp_path, GOOD)

    assert (server, problems) == ("https://lock.example.org, group web", ())
    assert list(verdicts) == list(RebootGate)[:8]
    assert verdicts[RebootGate.POLICY] is Verdict.CLOSED


def test_the_endpoint_as_lock_server_is_named_by_its_url(tmp_path: Path) -> None:
    text = '[endpoint]\nurl = "https://endpoint.example.org"\n[reboot]\nfleetlock_url = "endpoint"\n'

    assert look(tmp_path, text)[1] == "https://endpoint.example.org, group default"


def test_with_a_wrong_configuration_policy_and_window_are_unknown_and_the_others_are_asked(tmp_path: Path) -> None:
    verdicts, server, _ = look(tmp_path, "[reboot]\npolicy = 5\n")

    assert {gate for gate, verdict in verdicts.items() if verdict is Verdict.UNKNOWN} >= {
        RebootGate.POLICY,
        RebootGate.WINDOW,
    }
    assert (server, RebootGate.DPKG in verdicts) == ("", True)


@pytest.mark.parametrize(("ago", "shown"), [(timedelta(minutes=5), True), (timedelta(hours=8), False)])
def test_a_reboot_that_is_not_tried_any_more_is_not_under_way(tmp_path: Path, ago: timedelta, *, shown: bool) -> None:
    now = utc_now().replace(microsecond=0)
    course = replace(IN_WINDOW, entered_at=now - ago, retry_at=now - ago)
    RebootRecord(Store(str(tmp_path))).save_course(course, now)
    (tmp_path / "config.toml").write_text(GOOD)

    assert look_at_reboot(tmp_path / "config.toml", str(tmp_path)).course == (course if shown else None)


@pytest.mark.parametrize(
    ("changes", "shown"),
    [
        ({}, True),
        ({"reboot": False}, False),
        ({"machine": "another"}, False),
        ({"boot_id": "an-earlier-boot"}, False),
        ({"phase": ProvisionPhase.DONE}, False),
        ({"started_at": utc_now() - timedelta(days=8)}, False),
    ],
    ids=["waits", "stopped", "copied-disk", "restarted", "done", "given-up"],
)
def test_a_restart_that_provisioning_takes_by_itself_is_named(
    tmp_path: Path, changes: dict[str, Any], *, shown: bool
) -> None:
    now = utc_now().replace(microsecond=0)
    waits = Provision(
        machine=host_id(),
        phase=ProvisionPhase.REBOOTING,
        started_at=now,
        entered_at=now,
        version="1",
        boot_id=boot_id(),
    )
    save_provision(Store(str(tmp_path)), replace(waits, **changes), now)
    (tmp_path / "config.toml").write_text(GOOD)

    found = look_at_reboot(tmp_path / "config.toml", str(tmp_path))

    document = explain_reboot(found, now)
    assert document["provision_since"] == (format_utc(now) if shown else None)
    assert ("provisioning" in "".join(explanation_lines(JsonReader(document, "explain"), verbose=False))) is shown


def test_damaged_documents_are_problems_and_the_gates_are_asked_all_the_same(tmp_path: Path) -> None:
    for name in ("reboot", "reboot-schedule", "fleet-lock"):
        (tmp_path / f"{name}.json").write_text("{")

    verdicts, _, problems = look(tmp_path, GOOD)

    assert len(problems) == 3
    assert len(verdicts) == 8
