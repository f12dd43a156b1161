"""Builds the roots that the test machines need, where this machine has none yet: python3 -m tests.support.prepare.

Optional: a test builds a missing root itself, or waits for the process that does.
"""

from concurrent.futures import ThreadPoolExecutor

from tests.support import bases
from tests.support.engine_archive import NEWER, engine_layers
from tests.support.engine_packages import ce_layers


def main() -> None:
    """Build two roots at a time, those first that the longest tests need."""
    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(build) for build in (_booted, _others)]:
            done.result()


def _booted() -> None:
    bases.base(bases.codenames()[0], bases.BOOTED)
    engine_layers()
    ce_layers()
    engine_layers(NEWER)


def _others() -> None:
    for codename in bases.codenames():
        bases.base(codename)
    for codename in bases.codenames():
        bases.base(codename, bases.BOOTED)


if __name__ == "__main__":
    main()
