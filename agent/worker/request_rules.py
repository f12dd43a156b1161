"""What this machine's accepted configuration says about requests of the endpoint."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta, tzinfo

from agent.config.windows import window_of
from agent.core.policy.policy import Policy
from agent.core.requests.judge import RequestRules, WorkWindow
from agent.core.requests.model import Verb
from agent.core.schedule.engine_windows import PREPARATION
from agent.host.machine.facts import host_id

_LEAST = timedelta(minutes=1)
"""Of the window of upgrades: its end does not stop an upgrade that has begun."""


def request_rules(policy: Policy, local: tzinfo) -> RequestRules:
    """Return the rules; a window whose time zone has gone from the database counts as none."""
    return RequestRules(
        host_id=host_id(),
        allow=frozenset(map(Verb, policy.requests.allow)),
        windows=dict(_windows(policy)),
        local=local,
        signed=bool(policy.requests.signers),
    )


def _windows(policy: Policy) -> Iterator[tuple[Verb, WorkWindow]]:
    reboot = policy.reboot.expected + policy.reboot.warning
    for verb, text, needed in (
        (Verb.UPGRADE_SECURITY, policy.agent.upgrade_window, _LEAST),
        (Verb.UPGRADE_FIXES, policy.agent.upgrade_window, _LEAST),
        (Verb.REBOOT_IF_REQUIRED, policy.reboot.window, reboot),
        (Verb.APPLY_DOCKER, policy.docker.window, PREPARATION),
        (Verb.APPLY_WEAVE, policy.weave.window, PREPARATION),
    ):
        if text:
            with suppress(ValueError):
                yield verb, WorkWindow(window=window_of(text), needed=needed)
