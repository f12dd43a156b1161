"""Which events of a stream never came: missing, known to be lost, or refused.

Knows no clock and no database.
"""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Span:
    """Sequences `first` to `last`, both included."""

    first: int
    last: int

    def __len__(self) -> int:
        """Return how many sequences these are."""
        return self.last - self.first + 1

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gaps:
    """What is not there of one stream."""

    missing: tuple[Span, ...] = ()
    """Nobody knows where they went."""
    lost: tuple[Span, ...] = ()
    """The agent told that they will never come."""
    refused: tuple[Span, ...] = ()
    """They came, and were refused."""


def total(spans: Iterable[Span]) -> int:
    """Return how many sequences the spans hold together."""
    return sum(len(span) for span in spans)


def expected(highest: int, last_written: int | None, waiting: int | None) -> int:
    """Return up to where events must have come.

    `highest` is the highest that came; of the others the latest state speaks: the last event that the agent wrote,
    and how many wait. All up to their difference had been acknowledged when it was written.
    """
    settled = last_written - waiting if last_written is not None and waiting is not None else 0
    return max(highest, settled)


def find_gaps(
    present: Iterable[int], upto: int, lost: Iterable[Span], refused: Iterable[int], *, after: int = 0
) -> Gaps:
    """Find what is not there of what follows `after`, up to `upto`; `present` rises and follows it, too."""
    holes = _holes(present, after + 1, upto)
    refused_spans = _spans(refused)
    unrefused, refused_holes = _split(holes, refused_spans)
    missing, lost_holes = _split(unrefused, _merged(lost))
    return Gaps(missing=tuple(missing), lost=tuple(lost_holes), refused=tuple(refused_holes))


def _holes(present: Iterable[int], wanted: int, upto: int) -> list[Span]:
    holes = []
    for sequence in present:
        if sequence > wanted:
            holes.append(Span(first=wanted, last=min(sequence - 1, upto)))
        wanted = sequence + 1
    if wanted <= upto:
        holes.append(Span(first=wanted, last=upto))
    return [hole for hole in holes if hole.first <= hole.last]


def _spans(sequences: Iterable[int]) -> list[Span]:
    return _merged(Span(first=sequence, last=sequence) for sequence in sequences)


def _merged(spans: Iterable[Span]) -> list[Span]:
    merged: list[Span] = []
    for span in sorted(spans):
        if merged and span.first <= merged[-1].last + 1:
            merged[-1] = Span(first=merged[-1].first, last=max(merged[-1].last, span.last))
        else:
            merged.append(span)
    return merged


def _split(holes: Iterable[Span], cover: list[Span]) -> tuple[list[Span], list[Span]]:
    """Return what of the holes lies outside of the cover, and what inside."""
    outside: list[Span] = []
    inside: list[Span] = []
    for hole in holes:
        rest = hole.first
        for span in cover:
            first, last = max(span.first, rest), min(span.last, hole.last)
            if first > last:
                continue
            if first > rest:
                outside.append(Span(first=rest, last=first - 1))
            inside.append(Span(first=first, last=last))
            rest = last + 1
        if rest <= hole.last:
            outside.append(Span(first=rest, last=hole.last))
    return outside, inside
