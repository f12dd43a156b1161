"""The maintenance window of each verb, as configured. Pure."""

from collections.abc import Iterator
from datetime import timedelta

from agent.core.policy.policy import Policy
from agent.core.requests.model import Verb
from agent.core.schedule.engine_windows import PREPARATION

_LEAST = timedelta(minutes=1)
"""Of the window of upgrades: its end does not stop an upgrade that has begun."""


def verb_windows(policy: Policy) -> Iterator[tuple[Verb, str, timedelta]]:
    """Yield each verb that has a window, with the window's text and how much of it the work needs.

    Of Docker and Weave the least: their plan has the downtime.
    """
    reboot = policy.reboot.expected + policy.reboot.warning
    for verb, text, needed in (
        (Verb.UPGRADE_SECURITY, policy.agent.upgrade_window, _LEAST),
        (Verb.UPGRADE_FIXES, policy.agent.upgrade_window, _LEAST),
        (Verb.REBOOT_IF_REQUIRED, policy.reboot.window, reboot),
        (Verb.APPLY_DOCKER, policy.docker.window, PREPARATION),
        (Verb.APPLY_WEAVE, policy.weave.window, PREPARATION),
    ):
        if text:
            yield verb, text, needed
