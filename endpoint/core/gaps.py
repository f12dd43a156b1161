"""Which events of a stream did not arrive: missing, declared lost, or rejected. Pure."""

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
    """The events of one stream that are not stored."""

    missing: tuple[Span, ...] = ()
    """Unexplained."""
    lost: tuple[Span, ...] = ()
    """The agent declared them lost."""
    refused: tuple[Span, ...] = ()
    """They arrived and were rejected."""


def total(spans: Iterable[Span]) -> int:
    """Return the number of sequences in all spans."""
    return sum(len(span) for span in spans)


def expected(highest: int, last_written: int | None, queued: int | None) -> int:
    """Return the sequence up to which all events must have arrived.

    `highest` is the highest stored. The latest state adds the last event that the agent wrote, and how many were
    queued: all events up to the difference had been acknowledged when it was written.
    """
    settled = last_written - queued if last_written is not None and queued is not None else 0
    return max(highest, settled)


def find_gaps(
    present: Iterable[int], upto: int, lost: Iterable[Span], refused: Iterable[int], *, after: int = 0
) -> Gaps:
    """Find the gaps after `after`, up to `upto`; `present` is ascending, and above `after`."""
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
    """Split the holes into what is outside the cover, and what is inside."""
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
