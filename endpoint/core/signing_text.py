"""What a person is about to sign, from the canonical forms alone. Pure.

The forms come from the database. Its owner has fewer rights than the person, and hosts do not trust it.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import astuple, replace

from endpoint.core.deployment_text import work_text
from endpoint.core.host_id import UUID
from endpoint.core.request_arguments import Terms, Verb, Work, request_arguments, request_form, spread
from endpoint.core.text import clean
from endpoint.errors import UsageError

_MAX_PLANS = 5
_MAX_STEPS = 3
"""A deployment upgrades packages, Docker and Weave."""
_ORDER = {verb: number for number, verb in enumerate(Verb)}
"""As a host takes the steps."""


def signing_text(forms: Mapping[str, str]) -> str:
    """Return in one line what these forms, by id, request of how many hosts.

    The steps of a deployment differ, not every host takes each of them, and each host may have a plan of its own; all
    steps and plans are in the text.

    Raises:
        UsageError: one is no request with its id, they differ in something else, or a host has a step twice.
    """
    found = [_read(identity, form) for identity, form in forms.items()]
    steps = sorted({replace(work, plan_id=None) for work, _, _ in found}, key=lambda step: _ORDER[step.verb])
    terms, hosts = {one for _, one, _ in found}, {host for _, _, host in found}
    if len(terms) != 1 or len({step.verb for step in steps}) != len(steps) or len(steps) > _MAX_STEPS:
        raise UsageError("nothing is signed: the requests in the database differ in more than their hosts and steps")
    if len({(work.verb, host) for work, _, host in found}) != len(found):
        raise UsageError("nothing is signed: the database has several requests of the same for one host")
    what = "; then ".join(
        _step_text(step, [work.plan_id for work, _, _ in found if work.verb is step.verb]) for step in steps
    )
    number = len(hosts)
    (term,) = terms
    fixes = ", ".join(fix for step in steps for fix in step.fixes)
    ends = (f"until {term.expires_at}", f"requested by {term.requested_by}", term.comment, fixes)
    text = f"{what} for {number} host{'s' if number != 1 else ''}, {'; '.join(filter(None, ends))}"
    return clean(text, len(text))


def _step_text(work: Work, plans: Sequence[str | None]) -> str:
    """Return what one step requests; `plans` are those of its hosts."""
    named = sorted({plan for plan in plans if plan is not None})
    arguments = {"when": work.when, "reboot": work.reboot}
    text = work_text(
        {"verb": work.verb.value, "arguments": arguments, "plan_id": named[0] if len(named) == 1 else None}
    )
    return f"{text}, plans {spread(named, _MAX_PLANS)}" if len(named) > 1 else text


def _read(identity: str, form: str) -> tuple[Work, Terms, str]:
    """Return the work, the terms and the host's id."""
    try:
        found = json.loads(form)
        arguments = found["arguments"]
        work = Work(
            verb=Verb(found["verb"]),
            fixes=tuple(arguments.get("fixes", ())),
            when=arguments.get("when"),
            reboot=arguments.get("reboot"),
            plan_id=found["plan_id"],
        )
        terms = Terms(**{name: found[name] for name in ("created_at", "expires_at", "requested_by", "comment")})
        host = found["host_id"]
        made = request_form(work, terms, identity=identity, host_id=host, arguments=request_arguments(work, 1))
        texts = (*work.fixes, work.when or "", work.reboot or "", work.plan_id or "", *astuple(terms), host)
        # The id becomes the name of a file.
        valid = made == form and UUID.fullmatch(identity) and all(isinstance(text, str) for text in texts)
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError, UsageError):
        valid = False
    if not valid:
        raise UsageError(f"nothing is signed: what the database has for {identity[:64]!a} is no request with this id")
    return work, terms, host
