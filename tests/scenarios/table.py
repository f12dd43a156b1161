"""All scenarios by theme, in the order of docs/differences.md, which is generated from them."""

from collections.abc import Mapping

from tests.scenarios.clashes import CLASHES
from tests.scenarios.conffiles import CONFFILES
from tests.scenarios.dependencies import NEEDS
from tests.scenarios.failures import FAILURES, LEFTOVERS
from tests.scenarios.policy import HOLDS, LISTS, PINS
from tests.scenarios.selection import SELECTION
from tests.support.world import World

THEMES: Mapping[str, tuple[World, ...]] = {
    "What counts as a security update": SELECTION,
    "Dependencies of an update": NEEDS,
    "Effects on other packages": CLASHES,
    "Holds": HOLDS,
    "Blocklist and allowlist": LISTS,
    "apt preferences": PINS,
    "Configuration files": CONFFILES,
    "Failures": FAILURES,
    "After an interrupted dpkg": LEFTOVERS,
}
WORLDS = tuple(world for worlds in THEMES.values() for world in worlds)
