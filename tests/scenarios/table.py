"""All worlds by theme, in the order of the page that is made of them (docs/differences.md)."""

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
    "What an update needs": NEEDS,
    "What an update would do to others": CLASHES,
    "Holds": HOLDS,
    "Lists of packages": LISTS,
    "Preferences of apt": PINS,
    "Configuration files": CONFFILES,
    "Failures": FAILURES,
    "What an interrupted dpkg left": LEFTOVERS,
}
WORLDS = tuple(world for worlds in THEMES.values() for world in worlds)
