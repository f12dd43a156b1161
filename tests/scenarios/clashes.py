"""Effects of a security update on other packages: Breaks, Conflicts, removals."""

from tests.support.repository import package
from tests.support.world import Differs, World

A1, A2, B1, B2, Z1, Z2 = (package(name, version) for name in "abz" for version in "12")
LIB1, LIB2, LIB3 = (package("lib", version) for version in "123")

CLASHES = (
    World(
        title="a Breaks that a security update resolves installs both",
        installed=(A1, B1),
        offers={"security": (package("a", "2", breaks="b (<< 2)"), B2)},
        changes={"a": "2", "b": "2"},
    ),
    World(
        title="a Breaks that only another origin resolves holds the update",
        installed=(A1, B1),
        offers={"security": (package("a", "2", breaks="b (<< 2)"),), "updates": (B2,)},
        held={"a": "needs-other-origin"},
        code=10,
    ),
    World(
        title="an update that conflicts with an installed package is held",
        installed=(A1, B1, Z1),
        offers={"security": (package("a", "2", conflicts="b"), Z2)},
        changes={"z": "2"},
        held={"a": "would-remove"},
        code=10,
    ),
    World(
        title="an update that replaces an automatically installed package is held",
        installed=(A1, B1),
        automatic=("b",),
        offers={"security": (package("a", "2", conflicts="b", replaces="b", provides="b"),)},
        held={"a": "would-remove"},
        code=10,
    ),
    World(
        title="a new dependency that conflicts with what is installed holds the update",
        installed=(A1, B1, Z1),
        offers={"security": (package("a", "2", depends="n"), package("n", "1", conflicts="b"), Z2)},
        changes={"z": "2"},
        held={"a": "would-remove"},
        code=10,
    ),
    World(
        title="an installed package that needs the old version holds the update",
        installed=(LIB1, package("app", "1", depends="lib (= 1)"), Z1),
        offers={"security": (LIB2, Z2)},
        changes={"z": "2"},
        held={"lib": "would-remove"},
        code=10,
    ),
    World(
        title="an update that would need a downgrade is held",
        installed=(A1, LIB3),
        offers={"security": (package("a", "2", depends="lib (<< 3)"), LIB2)},
        held={"a": "broken-dependency"},
        code=10,
    ),
    World(
        title="one of two conflicting updates is installed",
        installed=(A1, B1),
        offers={"security": (package("a", "2", breaks="b (>= 2)"), B2)},
        changes={"a": "2"},
        held={"b": "would-remove"},
        code=10,
    ),
    World(
        title="an essential package is upgraded",
        installed=(package("e", "1", essential="yes"),),
        offers={"security": (package("e", "2", essential="yes", pre_depends="n"), package("n", "1"))},
        changes={"e": "2", "n": "1 automatic"},
    ),
    World(
        title="a conflict with an essential package holds the update",
        installed=(A1, package("e", "1", essential="yes"), Z1),
        offers={"security": (package("a", "2", conflicts="e"), Z2)},
        changes={"z": "2"},
        held={"a": "would-remove"},
        code=10,
    ),
    World(
        title="a new essential package is not installed by itself",
        installed=(A1,),
        offers={"security": (A2, package("e", "1", essential="yes"))},
        changes={"a": "2"},
    ),
    World(
        title="a package that an update no longer needs stays installed",
        installed=(package("a", "1", depends="lib"), LIB1),
        automatic=("lib",),
        offers={"security": (A2,)},
        changes={"a": "2"},
        differs=Differs(
            peer={"a": "2", "lib": "gone"},
            because='By default the agent removes only obsolete kernels; `security.remove_unused = "new"` removes it, '
            "too.",
        ),
    ),
    World(
        title='a package that an update no longer needs is removed with `remove_unused = "new"`',
        installed=(package("a", "1", depends="lib"), package("lib", "1", depends="data"), package("data", "1")),
        automatic=("lib", "data"),
        offers={"security": (A2,)},
        config='remove_unused = "new"\n',
        changes={"a": "2", "lib": "gone", "data": "gone"},
    ),
    World(
        title='a package that was unneeded before stays with `remove_unused = "new"`',
        installed=(package("a", "1", depends="lib"), LIB1, package("old", "1", depends="data"), package("data", "1")),
        automatic=("lib", "old", "data"),
        offers={"security": (A2,)},
        config='remove_unused = "new"\n',
        changes={"a": "2", "lib": "gone"},
    ),
    World(
        title='a held package that an update no longer needs stays with `remove_unused = "new"`',
        installed=(package("a", "1", depends="lib"), LIB1),
        automatic=("lib",),
        holds=("lib",),
        offers={"security": (A2,)},
        config='remove_unused = "new"\n',
        changes={"a": "2"},
    ),
    World(
        title="a broken dependency of another package stops no update",
        installed=(Z1,),
        offers={"security": (Z2,)},
        commands="dpkg --force-depends -i /srv/broken_1_all.deb",
        attempts=(package("broken", "1", depends="nowhere"),),
        changes={"z": "2"},
        breaks=True,
        code=10,
        differs=Differs(
            peer={}, because="The update does not depend on the broken package, and the machine is safer with it."
        ),
        peer_code=1,
    ),
)
