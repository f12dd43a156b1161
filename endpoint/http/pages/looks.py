"""How states look: one label, one explanation, one colour and one sign each; a colour is never the only sign."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum


class Tone(Enum):
    """The colour of a badge; values are classes of style.css."""

    GOOD = "good"
    INFO = "info"
    WARN = "warn"
    BAD = "bad"
    MUTE = "mute"


SIGNS: Mapping[Tone, str] = {Tone.GOOD: "✓", Tone.INFO: "•", Tone.WARN: "▲", Tone.BAD: "✕", Tone.MUTE: "?"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How one state is shown."""

    label: str
    tone: Tone
    meaning: str = ""

    @property
    def sign(self) -> str:
        """Return the sign beside the label."""
        return SIGNS[self.tone]


HOST_LOOKS: Mapping[str, Look] = {
    "patched": Look(
        label="Patched", tone=Tone.GOOD, meaning="no fix of its sources is open; seen lately, fresh lists, supported"
    ),
    "attention": Look(
        label="Needs attention", tone=Tone.BAD, meaning="its agent reports a problem, or a fix that is left out"
    ),
    "pending": Look(label="Fixes pending", tone=Tone.INFO, meaning="security fixes not installed yet"),
    "held": Look(label="Held", tone=Tone.WARN, meaning="a fix is held back"),
    "reboot-required": Look(label="Reboot required", tone=Tone.WARN, meaning="a fix becomes active with a reboot"),
    "restart-pending": Look(label="Engine restart", tone=Tone.WARN, meaning="Docker or Weave runs an old version"),
    "silent": Look(label="Silent", tone=Tone.BAD, meaning="no contact lately"),
    "stale-lists": Look(label="Stale lists", tone=Tone.WARN, meaning="package lists too old or not verified"),
    "ended": Look(label="Past end of life", tone=Tone.BAD, meaning="the release gets no security updates"),
    "unfinished": Look(label="Unfinished", tone=Tone.BAD, meaning="a run failed or was interrupted"),
    "unknown": Look(label="Unknown", tone=Tone.MUTE, meaning="not reported"),
}
"""By the value of a host's state, as in `state=` of /hosts, in the order of the overview."""
UNKNOWN = HOST_LOOKS["unknown"]


def host_look(state: str) -> Look:
    """Return how a state of a host is shown; a state without an entry is shown by its name."""
    return HOST_LOOKS.get(state) or Look(label=state, tone=Tone.MUTE)
