"""Requirements of a security update: dependencies, recommendations, architectures."""

from tests.support.repository import package
from tests.support.world import Differs, World

A1, A2, B1, B2, Z1, Z2 = (package(name, version) for name in "abz" for version in "12")
LIB1, LIB2, LIB3 = (package("lib", version) for version in "123")

NEEDS = (
    World(
        title="a new dependency from the security suite is installed",
        installed=(A1,),
        offers={"security": (package("a", "2", depends="n"), package("n", "1"))},
        changes={"a": "2", "n": "1 automatic"},
    ),
    World(
        title="a new dependency is installed in its security version",
        installed=(A1,),
        offers={"security": (package("a", "2", depends="n"), package("n", "1")), "updates": (package("n", "2"),)},
        changes={"a": "2", "n": "1 automatic"},
    ),
    World(
        title="a new dependency from another origin holds only its update",
        installed=(A1, Z1),
        offers={"security": (package("a", "2", depends="n"), Z2), "updates": (package("n", "2"),)},
        changes={"z": "2"},
        held={"a": "needs-other-origin"},
        code=10,
    ),
    World(
        title="a library update from another origin holds the update that needs it",
        installed=(A1, LIB1),
        offers={"security": (package("a", "2", depends="lib (>= 2)"),), "updates": (LIB2,)},
        held={"a": "needs-other-origin"},
        code=10,
    ),
    World(
        title="a library that is needed in a newer version than the security suite has gets its security version",
        installed=(A1, LIB1),
        offers={"security": (package("a", "2", depends="lib (>= 3)"), LIB2), "updates": (LIB3,)},
        changes={"lib": "2"},
        held={"a": "needs-other-origin"},
        code=10,
    ),
    World(
        title="a dependency that no source offers holds only its update",
        installed=(A1, Z1),
        offers={"security": (package("a", "2", depends="nowhere"), Z2)},
        changes={"z": "2"},
        held={"a": "broken-dependency"},
        code=10,
    ),
    World(
        title="a chain of new dependencies is installed",
        installed=(A1, B1),
        offers={
            "security": (
                package("a", "2", depends="b (>= 2)"),
                package("b", "2", depends="c"),
                package("c", "1", depends="d"),
                package("d", "1"),
            )
        },
        changes={"a": "2", "b": "2", "c": "1 automatic", "d": "1 automatic"},
    ),
    World(
        title="a chain of dependencies that ends in another origin is held as a whole",
        installed=(A1, B1, Z1),
        offers={
            "security": (package("a", "2", depends="b (>= 2)"), package("b", "2", depends="c"), Z2),
            "updates": (package("c", "1"),),
        },
        changes={"z": "2"},
        held={"a": "needs-other-origin", "b": "needs-other-origin"},
        code=10,
    ),
    World(
        title="packages with exact version dependencies are upgraded together",
        installed=(LIB1, package("lib-dev", "1", depends="lib (= 1)")),
        offers={
            "security": (LIB2, package("lib-dev", "2", depends="lib (= 2)")),
            "updates": (LIB3, package("lib-dev", "3", depends="lib (= 3)")),
        },
        changes={"lib": "2", "lib-dev": "2"},
    ),
    World(
        title="packages that depend on each other are upgraded together",
        installed=(package("a", "1", depends="b (= 1)"), package("b", "1", depends="a (= 1)")),
        offers={"security": (package("a", "2", depends="b (= 2)"), package("b", "2", depends="a (= 2)"))},
        changes={"a": "2", "b": "2"},
    ),
    World(
        title="packages with exact version dependencies are held if the security suite has only one of them",
        installed=(LIB1, package("lib-dev", "1", depends="lib (= 1)"), Z1),
        offers={"security": (LIB2, Z2), "updates": (package("lib-dev", "2", depends="lib (= 2)"),)},
        changes={"z": "2"},
        held={"lib": "needs-other-origin"},
        code=10,
    ),
    World(
        title="an alternative dependency from an allowed origin is installed",
        installed=(A1,),
        offers={"security": (package("a", "2", depends="x | y"), package("y", "1")), "updates": (package("x", "1"),)},
        changes={"a": "2", "y": "1 automatic"},
    ),
    World(
        title="an installed alternative dependency adds no package",
        installed=(A1, package("y", "1")),
        offers={"security": (package("a", "2", depends="x | y"), package("x", "1"))},
        changes={"a": "2"},
    ),
    World(
        title="a new virtual package is provided from the security suite",
        installed=(A1,),
        offers={
            "security": (package("a", "2", depends="virtual"), package("y", "1", provides="virtual")),
            "updates": (package("x", "1", provides="virtual"),),
        },
        changes={"a": "2", "y": "1 automatic"},
    ),
    World(
        title="a versioned virtual package is satisfied by upgrading its provider",
        installed=(A1, B1),
        offers={
            "security": (package("a", "2", depends="virtual (>= 2)"), package("b", "2", provides="virtual (= 2)")),
        },
        changes={"a": "2", "b": "2"},
    ),
    World(
        title="a pre-dependency is installed",
        installed=(A1,),
        offers={"security": (package("a", "2", pre_depends="n"), package("n", "1"))},
        changes={"a": "2", "n": "1 automatic"},
    ),
    World(
        title="a renamed package installs its new name",
        installed=(package("old", "1"),),
        offers={
            "security": (
                package("old", "2", depends="new"),
                package("new", "2", breaks="old (<< 2)", replaces="old (<< 2)"),
            )
        },
        changes={"old": "2", "new": "2 automatic"},
    ),
    World(
        title="a new recommendation from the security suite is installed",
        installed=(A1,),
        offers={"security": (package("a", "2", recommends="r", suggests="s"), package("r", "1"), package("s", "1"))},
        changes={"a": "2", "r": "1 automatic"},
    ),
    World(
        title="a recommendation from another origin is not installed",
        installed=(A1,),
        offers={"security": (package("a", "2", recommends="r"),), "updates": (package("r", "1"),)},
        changes={"a": "2"},
    ),
    World(
        title="no recommendation is installed with APT::Install-Recommends off",
        installed=(A1,),
        offers={"security": (package("a", "2", recommends="r"), package("r", "1"))},
        files={"/etc/apt/apt.conf.d/99recommends": 'APT::Install-Recommends "false";\n'},
        changes={"a": "2"},
    ),
    World(
        title="a new recommendation that conflicts with what is installed holds the update",
        installed=(A1, B1),
        offers={"security": (package("a", "2", recommends="r"), package("r", "1", conflicts="b"))},
        held={"a": "broken-dependency"},
        code=10,
    ),
    World(
        title="a recommendation whose own recommendation conflicts holds the update",
        installed=(A1,),
        offers={
            "security": (
                package("a", "2", recommends="b", conflicts="c"),
                package("b", "1", recommends="c"),
                package("c", "1"),
            )
        },
        held={"a": "broken-dependency"},
        code=10,
        differs=Differs(
            peer={"a": "2", "b": "1 automatic"},
            because="The resolver accepts or rejects an update together with its recommended packages.",
            conceded=True,
        ),
    ),
    World(
        title="the kernel meta package installs the new kernel",
        installed=(
            package("linux-image-6.1.0-1-amd64", "6.1.1"),
            package("linux-image-amd64", "6.1.1", depends="linux-image-6.1.0-1-amd64 (= 6.1.1)"),
        ),
        automatic=("linux-image-6.1.0-1-amd64",),
        offers={
            "security": (
                package("linux-image-amd64", "6.1.2", depends="linux-image-6.1.0-2-amd64 (= 6.1.2)"),
                package("linux-image-6.1.0-2-amd64", "6.1.2"),
            )
        },
        changes={"linux-image-amd64": "6.1.2", "linux-image-6.1.0-2-amd64": "6.1.2 automatic"},
    ),
    World(
        title="the kernel meta package is held if the security suite does not have the kernel",
        installed=(
            package("linux-image-6.1.0-1-amd64", "6.1.1"),
            package("linux-image-amd64", "6.1.1", depends="linux-image-6.1.0-1-amd64 (= 6.1.1)"),
        ),
        automatic=("linux-image-6.1.0-1-amd64",),
        offers={
            "security": (package("linux-image-amd64", "6.1.2", depends="linux-image-6.1.0-2-amd64 (= 6.1.2)"),),
            "updates": (package("linux-image-6.1.0-2-amd64", "6.1.2"),),
        },
        held={"linux-image-amd64": "needs-other-origin"},
        code=10,
    ),
    World(
        title="a package installed for two architectures is upgraded for both",
        foreign="i386",
        installed=tuple(
            package("libx", "1", architecture=architecture, multi_arch="same") for architecture in ("amd64", "i386")
        ),
        offers={
            "security": tuple(
                package("libx", "2", architecture=architecture, multi_arch="same") for architecture in ("amd64", "i386")
            )
        },
        changes={"libx:amd64": "2", "libx:i386": "2"},
    ),
    World(
        title="a package installed only for a foreign architecture is upgraded",
        foreign="i386",
        installed=(package("libx", "1", architecture="i386", multi_arch="same"),),
        offers={
            "security": tuple(
                package("libx", "2", architecture=architecture, multi_arch="same") for architecture in ("amd64", "i386")
            )
        },
        changes={"libx:i386": "2"},
    ),
    World(
        title="a package that changes from architecture all to a specific one is upgraded",
        installed=(A1, package("b", "1", architecture="amd64")),
        offers={"security": (package("a", "2", architecture="amd64"), B2)},
        changes={"a": "2", "b": "2"},
    ),
    World(
        title="an automatically installed library stays marked automatic",
        installed=(package("a", "1", depends="lib"), LIB1),
        automatic=("lib",),
        offers={"security": (package("a", "2", depends="lib (>= 2)"), LIB2)},
        changes={"a": "2", "lib": "2"},
    ),
    World(
        title="a removed package that is needed again is installed",
        installed=(A1, package("n", "1", postrm="exit 0")),
        offers={"security": (package("a", "2", depends="n"), package("n", "2"))},
        commands="dpkg --remove n",
        changes={"a": "2", "n": "2 automatic"},
    ),
    World(
        title="a higher allowed version that cannot be installed is held, and no lower version replaces it",
        ubuntu=True,
        installed=(A1,),
        offers={"security": (A2,), "esm-apps": (package("a", "3", depends="n"),), "updates": (package("n", "1"),)},
        held={"a": "needs-other-origin"},
        code=10,
    ),
    World(
        title="a package installed for two architectures is held until both are available",
        foreign="i386",
        installed=tuple(
            package("libx", "1", architecture=architecture, multi_arch="same") for architecture in ("amd64", "i386")
        ),
        offers={"security": (package("libx", "2", architecture="amd64", multi_arch="same"),)},
        held={"libx": "would-remove"},
        code=10,
    ),
    World(
        title="a dependency from the release suite holds the update if only the security suite is allowed",
        installed=(A1, Z1),
        offers={"security": (package("a", "2", depends="n"), Z2), "main": (package("n", "1"), Z1)},
        peer_origins=(
            "origin=Debian,codename=${distro_codename},label=Debian",
            "origin=Debian,codename=${distro_codename}-security,label=Debian-Security",
        ),
        changes={"z": "2"},
        held={"a": "needs-other-origin"},
        code=10,
        differs=Differs(
            peer={"a": "2", "n": "1 automatic", "z": "2"},
            because="A package of the release is not a security update. It is reported; the release can be allowed.",
        ),
    ),
)
