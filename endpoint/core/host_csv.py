"""A list of hosts as CSV (RFC 4180), for spreadsheets. Pure.

A spreadsheet runs a cell that begins like a formula: such a text gets an apostrophe in front (OWASP, CSV injection).
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping

from endpoint.core.fleet_model import HostRow
from endpoint.core.host_states import HostState
from endpoint.core.timestamps import format_unix
from endpoint.core.visible import visible

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""With the wide forms, which Japanese versions take, too."""
_NEXT_CELL = re.compile(r'(;[\s"\']*)(?=[=+@\-\uff1d\uff0b\uff0d\uff20])')
"""Where the list separator is a semicolon, quotes in the middle of a cell hold nothing together."""
Cell = str | int | bool | None


def _named(states: Iterable[HostState]) -> str:
    return " ".join(state.value for state in HostState if state in states)


_COLUMNS: Mapping[str, Callable[[HostRow], Cell]] = {
    "host_id": lambda row: row.host_id,
    "name": lambda row: row.name,
    "states": lambda row: _named(row.states),
    "pending": lambda row: row.pending,
    "held": lambda row: row.held,
    "reboot_required": lambda row: row.reboot_required,
    "reboot_since": lambda row: row.reboot_since,
    "exposed_since": lambda row: format_unix(row.exposed_since_s),
    "last_seen_at": lambda row: format_unix(row.last_seen_s),
    "release": lambda row: row.release,
    "release_until": lambda row: row.release_until,
    "kernel": lambda row: row.kernel_running,
    "lists": lambda row: row.lists_state,
    "last_result": lambda row: row.last_result,
    "last_run_at": lambda row: row.last_run_at,
    "docker": lambda row: row.docker_version,
    "weave": lambda row: row.weave_version,
    "agent_version": lambda row: row.agent_version,
    "agents": lambda row: row.agents,
    "tags": lambda row: " ".join(row.tags),
    "agent_tags": lambda row: " ".join(row.agent_tags),
}


def csv_lines(rows: Iterable[HostRow]) -> Iterator[str]:
    """Yield the lines, the head first; unknown is an empty cell."""
    yield _line(_COLUMNS)
    for row in rows:
        yield _line(read(row) for read in _COLUMNS.values())


def csv_cell(value: Cell) -> str:
    """Return one cell, in quotes unless it is a number."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return str(value)
    guarded = f"'{value}" if value.lstrip(" ").startswith(_FORMULA) else value
    quoted = visible(_NEXT_CELL.sub(r"\1'", guarded)).replace('"', '""')
    return f'"{quoted}"'


def _line(cells: Iterable[Cell]) -> str:
    return ",".join(map(csv_cell, cells)) + "\r\n"
