"""Who asks for a page: until people have accounts, whoever sends an administrator's token.

The one place where pages learn of it; `flask.g.person` has what the frame shows.
"""

from dataclasses import dataclass

from flask import g

from endpoint.http.admission import Admission


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenHolder:
    """The sender of a valid administrator's token."""

    name: str


class TokenGate:
    """Admits administrators' tokens, and nobody else."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission

    def person(self) -> TokenHolder:
        """Return who asks, and record it for the frame of the page.

        Raises:
            RefusedError: 401 or 403.
            StoreError: the database does not answer.
        """
        self._admission.administrator()
        holder = TokenHolder(name="administrator's token")
        g.person = holder
        return holder

    def visitor(self) -> TokenHolder | None:
        """Return whom `person` has admitted in this request."""
        found: TokenHolder | None = g.get("person")
        return found

    def form_token(self) -> str:
        """Return nothing: a bearer token is not sent by a form."""
        return ""
