"""What `apt-get update` ended with, as facts; and the rules that hold what the agent reports against them."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

from tests.sources.bench import LISTS, LISTS_OF_APT, Observed, Ran, document
from tests.sources.forms import PASSWORD

Entry = tuple[str, ...]
"""Regular expressions; each message about one source matches them all."""
BESIDE: Entry = ("/beside",)
_ITEM = re.compile(r"(Get|Hit|Ign|Err):\d+ ")
_MESSAGE = re.compile(r"[WEN]: ")
_ADDRESS = re.compile(r"\s*\[IP: [^]]*\]")
_TEMPORARY = re.compile(r"(?<=/tmp/)\S+")
_DURATION = re.compile(r"\(invalid [^)]*\)")
_FILE_FAILED = re.compile(r"^Failed to fetch \S+ ?|^.*?(GPG error|OpenPGP signature verification failed): .*?Release: ")
_WARNED = re.compile(r"W: (?!Failed to fetch|GPG error|OpenPGP|An error occurred|Some index files)")
"""A warning about what apt fetched all the same."""
_LOGIN = re.compile(r"//[^/@ ]*@")
_FETCH_FAILED = re.compile(r"W: (Failed to fetch|Some index files failed)|E: ")


_ADVICE = {"not-offered", "outdated", "foreign-packages"}
"""Fault codes that ask for attention where apt is content."""
_OF_APT = {"apt", "hook-failed"}
"""Fault codes of what apt reports beside its sources."""


class Mood(Enum):
    """How `apt-get update` ended."""

    CONTENT = "content"
    """Exit code 0, and only Get, Hit and Ign."""
    WARNED = "warned"
    """Exit code 0, and warnings or errors of items that another attempt then fetched."""
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What apt says."""

    mood: Mood
    blamed: frozenset[Entry]
    reasons: Mapping[Entry, tuple[str, ...]]
    """Of each blamed source the server's words, or libapt's where no item failed."""
    warned: frozenset[Entry]
    """The sources with a warning about what was fetched all the same."""
    untrusted_lists: bool
    """Whether lists of the security source are on its disk that are not authenticated."""
    security_lists: bool
    """Whether authenticated lists of the security source are on its disk."""
    messages: tuple[str, ...]


def verdict_of(seen: Observed, entries: tuple[Entry, ...], *, security: tuple[Entry, ...], empty: bool) -> Verdict:
    """Return what apt says of these sources."""
    items, messages = _blocks(seen.apt)
    failed = [text for text in items if text.startswith("Err")]
    complaints = [text for text in messages if text[0] != "N" and not _WARNED.match(text)]
    warnings = [text for text in messages if _WARNED.match(text)]
    reasons: dict[Entry, list[str]] = {}
    for entry in entries:
        words = [_plain(line) for text in failed if _is_of(entry, text) for line in text.splitlines()[1:]]
        reasons[entry] = words or [_plain(text[3:]) for text in complaints if _is_of(entry, text)]
    blamed = {entry: tuple(filter(None, map(_reason, words))) for entry, words in reasons.items() if words}
    if seen.apt.code or any(_FETCH_FAILED.match(text) for text in messages):
        mood = Mood.FAILED
    else:
        mood = Mood.WARNED if failed or complaints or warnings else Mood.CONTENT
    trusted = [line for line in seen.targets.splitlines() if line.startswith("yes ")]
    on_disk = any(_is_of(entry, line) for entry in security for line in trusted)
    untrusted = any(_is_of(entry, line) for entry in security for line in set(seen.targets.splitlines()) - set(trusted))
    verified = any(all(f"_{part}" in name for part in entry) for entry in security for name in seen.releases)
    fetched_empty = empty and (verified or not any(entry in blamed for entry in security))
    return Verdict(
        mood=mood,
        blamed=frozenset(blamed),
        reasons=blamed,
        warned=frozenset(entry for entry in entries for text in warnings if _is_of(entry, text)),
        untrusted_lists=untrusted,
        security_lists=on_disk or fetched_empty,
        messages=tuple(messages),
    )


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What a row knows beside apt's verdict."""

    entries: tuple[Entry, ...]
    codes: frozenset[str]
    """The fault codes that fit; empty where the row has no fault of its source."""
    sign: str
    """A part of apt's reason, if the codes fit only with this one."""
    reason: str
    """A further reason that the agent may give."""


def broken_rules(seen: Observed, verdict: Verdict, expected: Expected) -> list[str]:
    """Return the rules that the agent's answer breaks."""
    broken = [f"the password stands in {place}" for place, text in seen.texts.items() if PASSWORD in text]
    if "Traceback" in seen.agent.err or "internal error" in seen.agent.err:
        broken.append("the agent crashed")
    lists = document(seen.agent).get("lists")
    if not isinstance(lists, dict):
        return [*broken, *_without_document(seen.agent, verdict)]
    broken += _state_rules(lists["state"], seen.agent.code, verdict, advised=bool(lists["errors"]))
    broken += _blame_rules(lists["errors"], verdict, expected.entries)
    broken += _detail_rules(lists["errors"], verdict, expected)
    return broken


def _without_document(agent: Ran, verdict: Verdict) -> Iterator[str]:
    if verdict.mood is Mood.CONTENT:
        yield "apt is content, and `check` fails"
    if agent.code in (0, 10):
        yield "no document, and a good exit code"
    reasons = [_plain(text[3:]) for text in verdict.messages if text.startswith("E: ")]
    if reasons and not any(reason in _plain(agent.err) for reason in reasons):
        yield "apt's reason is not in the error"


def _state_rules(state: str, code: int, verdict: Verdict, *, advised: bool) -> Iterator[str]:
    if not verdict.security_lists:
        right = {"never", "stale"} if verdict.untrusted_lists else {"never"}
    elif verdict.mood is Mood.CONTENT:
        right = {"fresh"}
    elif verdict.mood is Mood.WARNED or not verdict.blamed:
        right = {"fresh", "partial"}
    else:
        right = {"partial"}
    if state not in right:
        yield f"state is {state} instead of {' or '.join(sorted(right))}"
    if code not in ({3} if state != "fresh" else {0, 10} if advised else {0}):
        yield f"exit code {code} for state {state}"


def _blame_rules(all_errors: list[dict[str, str]], verdict: Verdict, entries: tuple[Entry, ...]) -> Iterator[str]:
    errors = [error for error in all_errors if error["fault"] not in _ADVICE]
    named = {entry for entry in entries for error in errors if _is_of(entry, error["source"])}
    if verdict.mood is Mood.CONTENT and verdict.security_lists and errors:
        yield f"apt is content, and there are errors: {sorted(error['fault'] for error in errors)}"
        return
    if verdict.mood is Mood.FAILED and not all_errors:
        yield "apt failed, and there is no error"
    for entry in verdict.blamed - named if verdict.mood is Mood.FAILED else ():
        yield f"{' '.join(entry)} is blamed by apt and not named"
    for entry in named - verdict.blamed - verdict.warned if verdict.security_lists else ():
        yield f"{' '.join(entry)} is named and not blamed by apt"
    for error in errors:
        is_of_source = any(_is_of(entry, error["source"]) for entry in entries)
        if verdict.blamed and not is_of_source and error["fault"] not in _OF_APT:
            yield f"{error['source']!r} is no source"


def _detail_rules(errors: list[dict[str, str]], verdict: Verdict, expected: Expected) -> Iterator[str]:
    if verdict.mood is not Mood.FAILED:
        return
    for entry in sorted(set(expected.entries) & verdict.blamed):
        own = [error for error in errors if _is_of(entry, error["source"]) and error["fault"] not in _ADVICE]
        reasons = verdict.reasons[entry]
        accepted = (*reasons, *filter(None, [expected.reason]))
        if own and reasons and not any(reason in _plain(error["detail"]) for error in own for reason in accepted):
            yield f"the reason {reasons} is not in {[error['detail'] for error in own]}"
        if expected.codes and entry != BESIDE and any(expected.sign in reason for reason in reasons):
            yield from (f"{error['fault']} is no fitting code" for error in own if error["fault"] not in expected.codes)


def _blocks(ran: Ran) -> tuple[list[str], list[str]]:
    """Return the items with their continuation lines, and the messages likewise."""
    items: list[str] = []
    messages: list[str] = []
    current: list[str] | None = None
    for line in (ran.out + ran.err).splitlines():
        if _ITEM.match(line):
            current = items
        elif _MESSAGE.match(line):
            current = messages
        elif line.startswith(" ") and current:
            current[-1] += f"\n{line}"
            continue
        else:
            current = None
            continue
        current.append(line)
    return items, messages


def _reason(message: str) -> str:
    """Return why a file could not be fetched, of apt's message about it; any other message unchanged."""
    return _FILE_FAILED.sub("", message)


def _is_of(entry: Entry, text: str) -> bool:
    return all(re.search(rf"{part}(?![\w-])", text) for part in entry)


def _plain(text: str) -> str:
    """Return a text without what differs between two runs: addresses, durations, names of files, line breaks."""
    text = _TEMPORARY.sub("", _ADDRESS.sub("", text)).replace(LISTS_OF_APT, LISTS)
    text = _LOGIN.sub("//", _DURATION.sub("(invalid)", text))
    return " ".join(text.split())
