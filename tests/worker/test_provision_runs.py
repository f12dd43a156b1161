"""What root has written decides whether a request of the daemon for `provision` is obeyed."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from agent.config.accepted import ConfigInUse
from agent.core.job_kinds import JobKind
from agent.core.manifest import NO_MANIFEST
from agent.core.model.outcome import ProvisionPhase
from agent.core.policy.policy import Policy, ProvisionPolicy
from agent.core.provision.model import Provision
from agent.errors import UsageError
from agent.state.provision_record import save_provision
from agent.state.store import Store
from agent.state.timestamps import utc_now
from agent.worker import provision_runs, server
from agent.worker.protocol import JobRequest
from tests.core import given

ON = replace(given.policy(), provision=ProvisionPolicy(first_boot=True))
NOW = utc_now()
DONE = Provision(machine="m", phase=ProvisionPhase.DONE, started_at=NOW, entered_at=NOW, version="1")


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setattr(server, "DEFAULT_DIRECTORY", str(tmp_path))
    monkeypatch.setattr(provision_runs, "host_id", lambda: "m")
    monkeypatch.setattr(provision_runs, "first_booted_at", lambda: NOW - timedelta(hours=1))
    return Store(str(tmp_path))


def obeyed(monkeypatch: pytest.MonkeyPatch, policy: Policy, store: Store) -> bool:
    monkeypatch.setattr(
        server, "load_in_use", lambda *_arguments: ConfigInUse(policy=policy, manifest=NO_MANIFEST, accepted=None)
    )
    try:
        server._restrict_to_schedule(JobRequest(kind=JobKind.PROVISION, state_dir=store.directory))  # noqa: SLF001
    except UsageError:
        return False
    return True


@pytest.mark.parametrize(
    ("policy", "recorded", "starts"),
    [
        (ON, None, True),
        (given.policy(), None, False),
        (ON, DONE, False),
        (given.policy(), replace(DONE, phase=ProvisionPhase.REBOOTING), True),
    ],
    ids=["first-boot", "not-configured", "done", "begun-by-a-person"],
)
def test_the_daemon_gets_it_only_where_root_has_asked_for_it(
    store: Store, monkeypatch: pytest.MonkeyPatch, policy: Policy, recorded: Provision | None, *, starts: bool
) -> None:
    if recorded is not None:
        save_provision(store, recorded, NOW)

    assert obeyed(monkeypatch, policy, store) is starts


def test_a_damaged_record_starts_nothing_as_it_may_have_held_the_end(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path(store.path("provision")).write_text("{")

    assert not obeyed(monkeypatch, ON, store)
    assert Path(store.path("provision")).exists()
