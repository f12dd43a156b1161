"""What this machine's accepted configuration says about requests of the endpoint."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import tzinfo

from agent.config.windows import window_of
from agent.core.policy.policy import Policy
from agent.core.reboot.hold_off import hold_off_ends
from agent.core.requests.judge import RequestRules, WorkWindow
from agent.core.requests.model import Verb
from agent.core.requests.verb_windows import verb_windows
from agent.host.machine.identity import host_id
from agent.state.store import Store
from agent.worker.window_jobs import engine_needs

_COMPONENTS = {Verb.APPLY_DOCKER: "docker", Verb.APPLY_WEAVE: "weave"}


def request_rules(policy: Policy, store: Store, local: tzinfo) -> RequestRules:
    """Return the rules; a window whose time zone has gone from the database counts as none.

    The store has how long the work on Docker and Weave takes.
    """
    return RequestRules(
        host_id=host_id(),
        allow=frozenset(map(Verb, policy.requests.allow)),
        windows=dict(_windows(policy, store, local)),
        local=local,
        signed=bool(policy.requests.signers),
    )


def _windows(policy: Policy, store: Store, local: tzinfo) -> Iterator[tuple[Verb, WorkWindow]]:
    hold_off = hold_off_ends(policy.reboot.not_before, local)
    for verb, text, needed in verb_windows(policy):
        with suppress(ValueError):
            not_before = hold_off if verb is Verb.REBOOT_IF_REQUIRED else None
            component = _COMPONENTS.get(verb)
            time = engine_needs(store, component) if component else needed
            yield verb, WorkWindow(window=window_of(text), needed=time, not_before=not_before)
