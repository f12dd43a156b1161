"""What an update of the package lists ended with, by source: from libapt's items and messages. Pure.

The final status of the items counts: libapt passes over errors on its way, as when a suite has no `InRelease` file but
`Release` and `Release.gpg`. Items belong to a source by the names of their files, which libapt derives from its URI.
"""

import re
from collections.abc import Iterator, Mapping, Sequence

from agent.core.frozen import frozen
from agent.core.model.facts import APT_SOURCE, SourceError, SourceFault
from agent.core.pattern import lazy_pattern
from agent.core.ports import RefreshAttempt
from agent.core.redact import redact
from agent.host.apt.source_faults import detail_of, fault_of

_SPLIT = lazy_pattern(r"(?:^|, |\n)(?=[EW]:)")
_OF_ITEMS = ("Failed to fetch ", "Some index files failed to download")
_NOT_VERIFIED = lazy_pattern(r"(?:GPG error|OpenPGP signature verification failed): .*?Release: (.+)", re.DOTALL)
_DPKG_MESSAGE = "needs to be reinstalled"
"""From libapt when it opens its cache; reported as a repair."""
_HOOK = "Problem executing scripts"


@frozen
class FetchedItem:
    """One file of an update, at its end."""

    file: str
    """Its name in apt's lists."""
    in_place: bool
    """Whether libapt put it into the lists, and does not keep it aside."""
    done: bool
    error: str
    """libapt's error; of a file that was done without, too."""

    @property
    def good(self) -> bool:
        """Whether it was fetched or confirmed, and put into the lists."""
        return self.done and self.in_place and not self.error


@frozen
class FetchedSource:
    """What the names of a source's files begin with, and the name of its list of mirrors."""

    name: str
    file_prefix: str
    mirror_list: str
    no_method: str = ""
    """What libapt says if it has no method for the URI, of which its items know nothing; empty if it has one."""


@frozen
class FinishedUpdate:
    """An update of the lists, at its end."""

    items: Sequence[FetchedItem]
    descriptions: Mapping[str, str]
    """The name of the file by libapt's description of the item, which its messages quote."""
    message: str
    """libapt's exception with all messages; empty without."""
    stopped: str = ""
    """Why fetching was stopped before its end; empty if it was not."""


def judge(update: FinishedUpdate, sources: Sequence[FetchedSource]) -> RefreshAttempt:
    """Return which sources were verified, and the first cause for each of those that failed."""
    messages = _Messages(update, sources)
    verified, errors = [], []
    for source in sources:
        items = [item for item in update.items if source in _owners(item.file, sources)]
        cause = _cause(source, items, update, messages.of(source), messages.not_verified(source))
        if cause is not None:
            error = SourceError(source=source.name, fault=fault_of(cause), detail=redact(detail_of(cause)))
            errors.append(error)
        elif any(item.good for item in items):
            verified.append(source.name)
    errors = list({error.source: error for error in reversed(errors)}.values())[::-1]
    failed = {error.source for error in errors}
    return RefreshAttempt(
        verified=tuple(dict.fromkeys(name for name in verified if name not in failed)),
        errors=(*errors, *messages.of_apt()),
    )


class _Messages:
    """libapt's messages, sorted by what they are about."""

    def __init__(self, update: FinishedUpdate, sources: Sequence[FetchedSource]) -> None:
        self._fetched = bool(update.items)
        self._by_source: dict[str, list[str]] = {}
        self._others: list[str] = []
        known = {item.error for item in update.items} | {source.no_method for source in sources}
        for level, message in _split(update.message):
            quoted = max((name for name in update.descriptions if name in message), key=len, default=None)
            if message.startswith(_OF_ITEMS) or message in known or _DPKG_MESSAGE in message:
                continue
            if quoted is not None:
                for source in _owners(update.descriptions[quoted], sources):
                    self._by_source.setdefault(source.name, []).append(f"{level}:{message}")
            elif level == "E":
                self._others.append(message)

    def of(self, source: FetchedSource) -> list[str]:
        """Return the errors about a source; errors of the whole update if libapt fetched nothing."""
        own = [text[2:] for text in self._by_source.get(source.name, ()) if text.startswith("E:")]
        return own or ([] if self._fetched else self._others)

    def not_verified(self, source: FetchedSource) -> str:
        """Return why the signature of a source could not be verified: a warning if unsigned lists are allowed."""
        found = (_NOT_VERIFIED.match(text[2:]) for text in self._by_source.get(source.name, ()))
        return next((match[1] for match in found if match), "")

    def of_apt(self) -> tuple[SourceError, ...]:
        """Return the errors that are about no source, as one."""
        others = list(dict.fromkeys(self._others))
        if not others or not self._fetched:
            return ()
        detail = redact("; ".join(others))
        fault = SourceFault.HOOK_FAILED if others[0].startswith(_HOOK) else SourceFault.APT
        return (SourceError(source=APT_SOURCE, fault=fault, detail=detail),)


def _cause(
    source: FetchedSource,
    items: Sequence[FetchedItem],
    update: FinishedUpdate,
    messages: list[str],
    not_verified: str,
) -> str | None:
    """Return why a source failed, with the server's words where there are any; None if it did not fail."""
    release = [
        item for item in items if item.file in {f"{source.file_prefix}{name}" for name in ("InRelease", "Release")}
    ]
    failed = [item for item in items if not item.done]
    not_accepted = any(item.done and not item.in_place for item in release)
    if not failed and not not_accepted:
        return messages[0] if messages else _stopped_before(update, items)
    if not_accepted and not failed:
        signature = next((item.error for item in items if item.file == f"{source.file_prefix}Release.gpg"), "")
        if signature and fault_of(signature) is not SourceFault.NOT_FOUND:
            return signature
        return next(iter(messages), not_verified or "the repository is not signed")
    mirrors = [item.error for item in update.items if item.file == source.mirror_list and not item.done]
    causes = [*mirrors, *(item.error for item in failed), *messages, source.no_method, update.stopped]
    return next(filter(None, causes), "libapt could not fetch it, and gives no reason")


def _stopped_before(update: FinishedUpdate, items: Sequence[FetchedItem]) -> str | None:
    """Return why a source was not fetched to its end although none of its items failed; None if it was."""
    return update.stopped if update.stopped and not any(item.good for item in items) else None


def _owners(file: str, sources: Sequence[FetchedSource]) -> list[FetchedSource]:
    """Return the sources that a file belongs to: several, where their URIs differ only in what libapt leaves out."""
    fitting = [source for source in sources if file.startswith(source.file_prefix)]
    longest = max((len(source.file_prefix) for source in fitting), default=0)
    return [source for source in fitting if len(source.file_prefix) == longest]


def _split(message: str) -> Iterator[tuple[str, str]]:
    """Yield level, "E" or "W", and text of each message of an exception of python-apt."""
    for part in filter(None, _SPLIT.split(message)):
        level, colon, text = part.partition(":")
        yield (level, text.strip()) if colon and level in {"E", "W"} else ("E", part.strip())
