"""Which hosts an order is for, from text that no page has made: a slip must not select the whole fleet. Pure."""

from urllib.parse import parse_qsl

from endpoint.core.host_query import HostQuery
from endpoint.errors import RefusedError

_OF_A_PAGE = frozenset({"after", "before", "limit"})


def selection_query(text: str) -> HostQuery:
    """Return the query for the hosts that an address' query selects; the empty text selects all.

    An address may have empty fields of a form, which select nothing less. Here they are refused: `web1`, which is no
    condition, or `tag=`, with a variable of a script that is empty, are not meant to be all hosts.

    Raises:
        RefusedError: 400, it is no valid Unicode, or a parameter is unknown, empty, invalid, or one of a page.
    """
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:  # a lone surrogate, of JSON or of a command's argument: no database takes it
        raise RefusedError(400, f"selection: character {error.start} is no valid Unicode") from error
    pairs = parse_qsl(text, keep_blank_values=True)
    if text and not pairs:
        raise RefusedError(400, f"selection: {text[:64]!a} has no condition as NAME=VALUE")
    for name, value in pairs:
        if name in _OF_A_PAGE:
            raise RefusedError(400, f"selection: {name} is of one page of a list; a selection is the whole list")
        if not value.strip():
            raise RefusedError(400, f"selection: {name[:64]!a} has no value; the empty selection is for all hosts")
    return HostQuery.parse(pairs)
