"""The administrator's decisions: holds, blocklist and allowlist, apt preferences."""

from tests.support.repository import package
from tests.support.world import Differs, World

A1, A2, B1, B2, Z1, Z2 = (package(name, version) for name in "abz" for version in "12")
LIB1, LIB2 = (package("lib", version) for version in "12")
PEER_BLOCKS = 'Unattended-Upgrade::Package-Blacklist {{ "{}"; }};\n'
_PPA = "Package: *\nPin: release o=LP-PPA-somebody\nPin-Priority: 1001\n"

HOLDS = (
    World(
        title="a package on hold is not upgraded",
        installed=(A1, Z1),
        offers={"security": (A2, Z2)},
        holds=("a",),
        changes={"z": "2"},
        held={"a": "held-by-admin"},
        code=10,
    ),
    World(
        title="a dependency on hold holds the update that needs it",
        installed=(A1, LIB1),
        offers={"security": (package("a", "2", depends="lib (>= 2)"), LIB2)},
        holds=("lib",),
        held={"a": "held-by-admin", "lib": "held-by-admin"},
        code=10,
    ),
    World(
        title="a package on hold that an update breaks holds the update",
        installed=(A1, B1),
        offers={"security": (package("a", "2", breaks="b (<< 2)"), B2)},
        holds=("b",),
        held={"a": "held-by-admin", "b": "held-by-admin"},
        code=10,
    ),
    World(
        title="a package on hold that needs the old library holds the library",
        installed=(LIB1, package("app", "1", depends="lib (= 1)")),
        offers={"security": (LIB2, package("app", "2", depends="lib (= 2)"))},
        holds=("app",),
        held={"app": "held-by-admin", "lib": "held-by-admin"},
        code=10,
    ),
    World(
        title="a hold on a package that is not installed keeps it uninstalled",
        installed=(A1, Z1),
        offers={"security": (package("a", "2", depends="n"), package("n", "1"), Z2)},
        commands="apt-get -q update && apt-mark hold n",
        changes={"z": "2"},
        held={"a": "held-by-admin"},
        code=10,
    ),
)

LISTS = (
    World(
        title="the blocklist holds a package",
        installed=(package("libx", "1"), Z1),
        offers={"security": (package("libx", "2"), Z2)},
        config='blocklist = ["libx"]\n',
        peer_config=PEER_BLOCKS.format("libx$"),
        changes={"z": "2"},
        held={"libx": "blocklisted"},
        code=10,
    ),
    World(
        title="a blocklist pattern with a star holds every package with that prefix",
        installed=(package("libx", "1"), package("libx-dev", "1")),
        offers={"security": (package("libx", "2"), package("libx-dev", "2"))},
        config='blocklist = ["libx*"]\n',
        peer_config=PEER_BLOCKS.format("libx"),
        held={"libx": "blocklisted", "libx-dev": "blocklisted"},
        code=10,
    ),
    World(
        title="a blocklist entry matches the whole name",
        installed=(package("libx", "1"), package("libx-dev", "1")),
        offers={"security": (package("libx", "2"), package("libx-dev", "2"))},
        config='blocklist = ["libx"]\n',
        peer_config=PEER_BLOCKS.format("libx"),
        changes={"libx-dev": "2"},
        held={"libx": "blocklisted"},
        code=10,
        differs=Differs(
            peer={},
            because="An entry without a star means that package only; a prefix has a star, as everywhere in apt.",
        ),
    ),
    World(
        title="a plus sign in a blocklist entry is literal",
        installed=(package("libz++", "1"), Z1),
        offers={"security": (package("libz++", "2"), Z2)},
        config='blocklist = ["libz++"]\n',
        peer_config=PEER_BLOCKS.format(r"libz\+\+$"),
        changes={"z": "2"},
        held={"libz++": "blocklisted"},
        code=10,
    ),
    World(
        title="the blocklist applies to every architecture",
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
        title="the blocklist holds updates that need a blocked package",
        installed=(A1, LIB1),
        offers={"security": (package("a", "2", depends="lib (>= 2)"), LIB2)},
        config='blocklist = ["lib"]\n',
        peer_config=PEER_BLOCKS.format("lib$"),
        held={"a": "blocklisted", "lib": "blocklisted"},
        code=10,
    ),
    World(
        title="the allowlist permits listed packages and their dependencies",
        installed=(A1, LIB1, Z1),
        offers={"security": (package("a", "2", depends="lib (>= 2)"), LIB2, Z2)},
        config='allowlist = ["a"]\n',
        peer_config='Unattended-Upgrade::Package-Whitelist { "a$"; };\n',
        changes={"a": "2", "lib": "2"},
        held={"z": "not-allowlisted"},
        code=10,
        differs=Differs(
            peer={"a": "2", "lib": "2", "z": "2"},
            because="unattended-upgrades' manual documents the same behaviour, but it has not worked since 1.16.",
        ),
    ),
    World(
        title="the container runtime is held by default",
        installed=(package("docker.io", "1"), package("containerd", "1"), A1),
        offers={"security": (package("docker.io", "2"), package("containerd", "2"), A2)},
        changes={"a": "2"},
        held={"containerd": "runtime-managed", "docker.io": "runtime-managed"},
        code=10,
        differs=Differs(
            peer={"a": "2", "containerd": "2", "docker.io": "2"},
            because="Upgrading the engine stops every container, so the owner should choose the time.",
        ),
    ),
    World(
        title="the container runtime is upgraded with `include_runtime = true`",
        installed=(package("docker.io", "1"), package("containerd", "1")),
        offers={"security": (package("docker.io", "2"), package("containerd", "2"))},
        config="include_runtime = true\n",
        changes={"containerd": "2", "docker.io": "2"},
    ),
)

PINS = (
    World(
        title="a pin against the security version is respected",
        installed=(A1, Z1),
        offers={"security": (A2, Z2)},
        files={"/etc/apt/preferences.d/test": "Package: a\nPin: release n=*-security\nPin-Priority: -1\n"},
        changes={"z": "2"},
        held={"a": "pinned"},
        code=10,
    ),
    World(
        title="a pin above 1000 to the installed version is respected",
        installed=(A1, Z1),
        offers={"security": (A2, Z2)},
        files={"/etc/apt/preferences.d/test": "Package: a\nPin: version 1\nPin-Priority: 1001\n"},
        changes={"z": "2"},
        held={"a": "pinned"},
        code=10,
    ),
    World(
        title="a pin to the installed version is respected",
        installed=(A1, Z1),
        offers={"security": (A2, Z2)},
        files={"/etc/apt/preferences.d/test": "Package: a\nPin: version 1\nPin-Priority: 600\n"},
        changes={"z": "2"},
        held={"a": "pinned"},
        code=10,
    ),
    World(
        title="a pin against a dependency holds the update that needs it",
        installed=(A1, LIB1, Z1),
        offers={"security": (package("a", "2", depends="lib (>= 2)"), LIB2, Z2)},
        files={"/etc/apt/preferences.d/test": "Package: lib\nPin: release n=*-security\nPin-Priority: -1\n"},
        changes={"z": "2"},
        held={"a": "pinned", "lib": "pinned"},
        code=10,
    ),
    World(
        title="a pin against a new dependency holds the update that needs it",
        installed=(A1, Z1),
        offers={"security": (package("a", "2", depends="n"), package("n", "1"), Z2)},
        files={"/etc/apt/preferences.d/test": "Package: n\nPin: version *\nPin-Priority: -1\n"},
        changes={"z": "2"},
        held={"a": "pinned"},
        code=10,
    ),
    World(
        title="a pin above 1000 to another origin is respected",
        installed=(package("a", "1.5"), Z1),
        offers={"security": (A2, Z2), "ppa": (package("a", "1.5"),)},
        files={"/etc/apt/preferences.d/test": _PPA},
        changes={"z": "2"},
        held={"a": "pinned"},
        code=10,
    ),
    World(
        title="a pin above 1000 to a higher version of another origin is respected",
        installed=(A1, Z1),
        offers={"security": (A2, Z2), "ppa": (package("a", "3"),)},
        files={"/etc/apt/preferences.d/test": _PPA},
        changes={"z": "2"},
        held={"a": "pinned"},
        code=10,
        differs=Differs(
            peer={"a": "2", "z": "2"},
            because="apt itself obeys a priority above 1000; the agent does, too, and reports the held update.",
        ),
    ),
    World(
        title="a pin above 1000 to a lower security version downgrades nothing",
        installed=(package("a", "3"), Z1),
        offers={"security": (A2, Z2)},
        files={"/etc/apt/preferences.d/test": "Package: a\nPin: release n=*-security\nPin-Priority: 1001\n"},
        changes={"z": "2"},
    ),
    World(
        title="a pin above 1000 to the security suite downgrades nothing",
        installed=(package("a", "3"), Z1),
        offers={"security": (A2, Z2)},
        files={"/etc/apt/preferences.d/test": "Package: *\nPin: release n=*-security\nPin-Priority: 1001\n"},
        changes={"z": "2"},
    ),
)
