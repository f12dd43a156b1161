"""What a person is about to sign, from the canonical forms alone. Pure.

The forms come from the database. Its owner has fewer rights than the person, and hosts do not trust it.
"""

import json
from collections.abc import Mapping
from dataclasses import astuple

from endpoint.core.deployment_text import work_text
from endpoint.core.host_id import UUID
from endpoint.core.request_arguments import Terms, Verb, Work, request_arguments, request_form
from endpoint.core.text import clean
from endpoint.errors import UsageError


def signing_text(forms: Mapping[str, str]) -> str:
    """Return in one line what these forms, by id, request of how many hosts.

    Raises:
        UsageError: one is no request with its id, or requests something else than the others.
    """
    found = {_read(identity, form) for identity, form in forms.items()}
    if len(found) != 1:
        raise UsageError("nothing is signed: the requests in the database differ in more than their hosts")
    ((work, terms),) = found
    arguments = {"when": work.when, "reboot": work.reboot}
    what = work_text({"verb": work.verb.value, "arguments": arguments, "plan_id": work.plan_id})
    hosts = f"{len(forms)} host{'s' if len(forms) != 1 else ''}"
    ends = (f"until {terms.expires_at}", f"requested by {terms.requested_by}", terms.comment, ", ".join(work.fixes))
    text = f"{what} for {hosts}, {'; '.join(filter(None, ends))}"
    return clean(text, len(text))


def _read(identity: str, form: str) -> tuple[Work, Terms]:
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
        made = request_form(
            work, terms, identity=identity, host_id=found["host_id"], arguments=request_arguments(work, 1)
        )
        texts = (*work.fixes, work.when or "", work.reboot or "", work.plan_id or "", *astuple(terms))
        # The id becomes the name of a file.
        valid = made == form and UUID.fullmatch(identity) and all(isinstance(text, str) for text in texts)
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError, UsageError):
        valid = False
    if not valid:
        raise UsageError(f"nothing is signed: what the database has for {identity[:64]!a} is no request with this id")
    return work, terms
