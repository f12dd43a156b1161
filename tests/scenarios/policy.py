"""What the administrator said: holds, lists of packages, apt's preferences."""

from tests.support.repository import package
from tests.support.world import Differs, World

A1, A2, B1, B2, Z1, Z2 = (package(name, version) for name in "abz" for version in "12")
LIB1, LIB2 = (package("lib", version) for version in "12")
PEER_BLOCKS = 'Unattended-Upgrade::Package-Blacklist {{ "{}"; }};\n'
_PPA = "Package: *\nPin: release o=LP-PPA-somebody\nPin-Priority: 1001\n"

HOLDS = (
    World(
        title="a hold is not touched",
        installed=(A1, Z1),
        offers={"security": (A2, Z2)},
        holds=("a",),
        came={"z": "2"},
        held={"a": "held-by-admin"},
        code=10,
    ),
    World(
        title="a hold on a dependency holds what needs it",
        installed=(A1, LIB1),
        offers={"security": (package("a", "2", depends="lib (>= 2)"), LIB2)},
        holds=("lib",),
        held={"a": "held-by-admin", "lib": "held-by-admin"},
        code=10,
    ),
    World(
        title="a hold on what an update breaks holds the update",
        installed=(A1, B1),
        offers={"security": (package("a", "2", breaks="b (<< 2)"), B2)},
        holds=("b",),
        held={"a": "held-by-admin", "b": "held-by-admin"},
        code=10,
    ),
    World(
        title="a hold on a package that needs the old library holds the library",
        installed=(LIB1, package("app", "1", depends="lib (= 1)")),
        offers={"security": (LIB2, package("app", "2", depends="lib (= 2)"))},
        holds=("app",),
        held={"app": "held-by-admin", "lib": "held-by-admin"},
        code=10,
    ),
    World(
        title="a hold on a package that is not installed keeps it out",
        installed=(A1, Z1),
        offers={"security": (package("a", "2", depends="n"), package("n", "1"), Z2)},
        commands="apt-get -q update && apt-mark hold n",
        came={"z": "2"},
        held={"a": "held-by-admin"},
        code=10,
    ),
)

LISTS = (
    World(
        title="the blocklist keeps a package back",
        installed=(package("libx", "1"), Z1),
        offers={"security": (package("libx", "2"), Z2)},
        config='blocklist = ["libx"]\n',
        peer_config=PEER_BLOCKS.format("libx$"),
        came={"z": "2"},
        held={"libx": "blocklisted"},
        code=10,
    ),
    World(
        title="the blocklist keeps back what begins with a word",
        installed=(package("libx", "1"), package("libx-dev", "1")),
        offers={"security": (package("libx", "2"), package("libx-dev", "2"))},
        config='blocklist = ["libx*"]\n',
        peer_config=PEER_BLOCKS.format("libx"),
        held={"libx": "blocklisted", "libx-dev": "blocklisted"},
        code=10,
    ),
    World(
        title="a name in the blocklist is a whole name",
        installed=(package("libx", "1"), package("libx-dev", "1")),
        offers={"security": (package("libx", "2"), package("libx-dev", "2"))},
        config='blocklist = ["libx"]\n',
        peer_config=PEER_BLOCKS.format("libx"),
        came={"libx-dev": "2"},
        held={"libx": "blocklisted"},
        code=10,
        differs=Differs(
            peer={},
            because="Who writes a name means that package; a beginning is written with a star, as everywhere in apt.",
        ),
    ),
    World(
        title="a plus in a name is a plus",
        installed=(package("libz++", "1"), Z1),
        offers={"security": (package("libz++", "2"), Z2)},
        config='blocklist = ["libz++"]\n',
        peer_config=PEER_BLOCKS.format(r"libz\+\+$"),
        came={"z": "2"},
        held={"libz++": "blocklisted"},
        code=10,
    ),
    World(
        title="the blocklist holds for every architecture",
        foreign="i386",
        installed=tuple(package("libx", "1", architecture=arch, multi_arch="same") for arch in ("amd64", "i386")),
        offers={
            "security": tuple(package("libx", "2", architecture=arch, multi_arch="same") for arch in ("amd64", "i386"))
        },
        config='blocklist = ["libx"]\n',
        peer_config=PEER_BLOCKS.format("libx$"),
        held={"libx": "blocklisted"},
        code=10,
    ),
    World(
        title="the blocklist keeps back what needs a blocked package",
        installed=(A1, LIB1),
        offers={"security": (package("a", "2", depends="lib (>= 2)"), LIB2)},
        config='blocklist = ["lib"]\n',
        peer_config=PEER_BLOCKS.format("lib$"),
        held={"a": "blocklisted", "lib": "blocklisted"},
        code=10,
    ),
    World(
        title="a pattern that is not a good one stops nothing else",
        installed=(A1, LIB1),
        offers={"security": (A2, LIB2)},
        config='blocklist = ["lib("]\n',
        peer_config=PEER_BLOCKS.format("lib("),
        came={"a": "2", "lib": "2"},
        differs=Differs(
            peer={}, because="A shell pattern is never malformed; a regular expression may be, and ends the run."
        ),
        peer_code=1,
    ),
    World(
        title="the allowlist takes what is listed and what that needs",
        installed=(A1, LIB1, Z1),
        offers={"security": (package("a", "2", depends="lib (>= 2)"), LIB2, Z2)},
        config='allowlist = ["a"]\n',
        peer_config='Unattended-Upgrade::Package-Whitelist { "a$"; };\n',
        came={"a": "2", "lib": "2"},
        held={"z": "not-allowlisted"},
        code=10,
        differs=Differs(
            peer={"a": "2", "lib": "2", "z": "2"},
            because="That is what unattended-upgrades' manual promises of the list, which it has not done since 1.16.",
        ),
    ),
    World(
        title="the container runtime is left to its owner",
        installed=(package("docker.io", "1"), package("containerd", "1"), A1),
        offers={"security": (package("docker.io", "2"), package("containerd", "2"), A2)},
        came={"a": "2"},
        held={"containerd": "runtime-managed", "docker.io": "runtime-managed"},
        code=10,
        differs=Differs(
            peer={"a": "2", "containerd": "2", "docker.io": "2"},
            because="Upgrading the engine stops every container, so it belongs into a window that the owner chose.",
        ),
    ),
    World(
        title="the container runtime is upgraded where its owner says so",
        installed=(package("docker.io", "1"), package("containerd", "1")),
        offers={"security": (package("docker.io", "2"), package("containerd", "2"))},
        config="include_runtime = true\n",
        came={"containerd": "2", "docker.io": "2"},
    ),
)

PINS = (
    World(
        title="a preference against the security version is kept",
        installed=(A1, Z1),
        offers={"security": (A2, Z2)},
        files={"/etc/apt/preferences.d/test": "Package: a\nPin: release n=*-security\nPin-Priority: -1\n"},
        came={"z": "2"},
        held={"a": "pinned"},
        code=10,
    ),
    World(
        title="a preference that insists on the installed version is kept",
        installed=(A1, Z1),
        offers={"security": (A2, Z2)},
        files={"/etc/apt/preferences.d/test": "Package: a\nPin: version 1\nPin-Priority: 1001\n"},
        came={"z": "2"},
        held={"a": "pinned"},
        code=10,
    ),
    World(
        title="a preference for the installed version is kept",
        installed=(A1, Z1),
        offers={"security": (A2, Z2)},
        files={"/etc/apt/preferences.d/test": "Package: a\nPin: version 1\nPin-Priority: 600\n"},
        came={"z": "2"},
        held={"a": "pinned"},
        code=10,
    ),
    World(
        title="a preference against a dependency holds what needs it",
        installed=(A1, LIB1, Z1),
        offers={"security": (package("a", "2", depends="lib (>= 2)"), LIB2, Z2)},
        files={"/etc/apt/preferences.d/test": "Package: lib\nPin: release n=*-security\nPin-Priority: -1\n"},
        came={"z": "2"},
        held={"a": "pinned", "lib": "pinned"},
        code=10,
    ),
    World(
        title="a preference against a new dependency holds what needs it",
        installed=(A1, Z1),
        offers={"security": (package("a", "2", depends="n"), package("n", "1"), Z2)},
        files={"/etc/apt/preferences.d/test": "Package: n\nPin: version *\nPin-Priority: -1\n"},
        came={"z": "2"},
        held={"a": "pinned"},
        code=10,
    ),
    World(
        title="a preference that insists on another origin is kept",
        installed=(package("a", "1.5"), Z1),
        offers={"security": (A2, Z2), "ppa": (package("a", "1.5"),)},
        files={"/etc/apt/preferences.d/test": _PPA},
        came={"z": "2"},
        held={"a": "pinned"},
        code=10,
    ),
    World(
        title="a preference that insists on a higher version of another origin is kept",
        installed=(A1, Z1),
        offers={"security": (A2, Z2), "ppa": (package("a", "3"),)},
        files={"/etc/apt/preferences.d/test": _PPA},
        came={"z": "2"},
        held={"a": "pinned"},
        code=10,
        differs=Differs(
            peer={"a": "2", "z": "2"},
            because="An administrator who insists (priority above 1000) is obeyed by apt itself, and told by us.",
        ),
    ),
    World(
        title="a preference that insists on a lower security version downgrades nothing",
        installed=(package("a", "3"), Z1),
        offers={"security": (A2, Z2)},
        files={"/etc/apt/preferences.d/test": "Package: a\nPin: release n=*-security\nPin-Priority: 1001\n"},
        came={"z": "2"},
    ),
    World(
        title="a preference that insists on the security suite downgrades nothing",
        installed=(package("a", "3"), Z1),
        offers={"security": (A2, Z2)},
        files={"/etc/apt/preferences.d/test": "Package: *\nPin: release n=*-security\nPin-Priority: 1001\n"},
        came={"z": "2"},
    ),
)
