"""Configuration files: untouched, local, deleted, and the cases in which dpkg would not even ask."""

from dataclasses import replace

from tests.support.repository import Package, package
from tests.support.world import Differs, World

Z1, Z2 = (package("z", version) for version in "12")


def conffile(version: str, text: str, path: str = "/etc/conf.ini", name: str = "conf") -> Package:
    """Return a package with one configuration file."""
    return Package(name=name, version=version, files=((path, text),), conffiles=(path,))


_OLD = (("/etc/old.ini", "old\n"), ("/usr/share/old", ""))
_WATCH = ("/etc/conf.ini", "/etc/conf.ini.dpkg-dist")
_KEPT = {"conf": "2", "/etc/conf.ini.dpkg-dist": "two\n"}

CONFFILES = (
    World(
        title="an untouched configuration file is renewed",
        installed=(conffile("1", "one\n"),),
        offers={"security": (conffile("2", "two\n"),)},
        watch=_WATCH,
        came={"conf": "2", "/etc/conf.ini": "two\n"},
    ),
    World(
        title="a local configuration file is kept where upstream's has not changed",
        installed=(conffile("1", "one\n"),),
        offers={"security": (conffile("2", "one\n"),)},
        files={"/etc/conf.ini": "mine\n"},
        watch=_WATCH,
        came={"conf": "2"},
    ),
    World(
        title="a local configuration file is kept and the security update installed",
        installed=(conffile("1", "one\n"), Z1),
        offers={"security": (conffile("2", "two\n"), Z2)},
        files={"/etc/conf.ini": "mine\n"},
        watch=_WATCH,
        came={**_KEPT, "z": "2"},
        differs=Differs(
            peer={"z": "2"},
            because="An edited file is the rule on a server; its owner's version stays, and the hole is closed.",
        ),
        peer_code=1,
    ),
    World(
        title="a local configuration file holds the update where the owner wants it so",
        installed=(conffile("1", "one\n"), Z1),
        offers={"security": (conffile("2", "two\n"), Z2)},
        files={"/etc/conf.ini": "mine\n"},
        config='conffiles = "hold"\n',
        watch=_WATCH,
        came={"z": "2"},
        held={"conf": "conffile"},
        code=10,
        peer_code=1,
    ),
    World(
        title="a local configuration file that dpkg would not ask about holds nothing even so",
        installed=(conffile("1", "one\n"), Z1),
        offers={"security": (conffile("2", "two\n"), Z2)},
        files={"/etc/conf.ini": "two\n"},
        config='conffiles = "hold"\n',
        watch=_WATCH,
        came={"conf": "2", "z": "2"},
        differs=Differs(peer={"z": "2"}, because="It says what the new version says, and dpkg does not ask."),
        peer_code=1,
    ),
    World(
        title="a local configuration file does not make the only update vanish",
        installed=(conffile("1", "one\n"),),
        offers={"security": (conffile("2", "two\n"),)},
        files={"/etc/conf.ini": "mine\n"},
        watch=_WATCH,
        came=_KEPT,
        differs=Differs(
            peer={},
            because="With nothing else pending unattended-upgrades calls this a success, and nobody hears of it.",
        ),
    ),
    World(
        title="a local configuration file is kept where dpkg was told to keep it",
        installed=(conffile("1", "one\n"),),
        offers={"security": (conffile("2", "two\n"),)},
        files={
            "/etc/conf.ini": "mine\n",
            "/etc/apt/apt.conf.d/99conf": 'DPkg::Options { "--force-confold"; };\n',
        },
        watch=_WATCH,
        came=_KEPT,
    ),
    World(
        title="a local configuration file is kept where dpkg was told to take its default",
        installed=(conffile("1", "one\n"),),
        offers={"security": (conffile("2", "two\n"),)},
        files={
            "/etc/conf.ini": "mine\n",
            "/etc/apt/apt.conf.d/99conf": 'DPkg::Options { "--force-confdef"; };\n',
        },
        watch=_WATCH,
        came=_KEPT,
        differs=Differs(peer={}, because="With --force-confdef dpkg keeps the local file and does not ask."),
    ),
    World(
        title="a local configuration file is kept even where dpkg was told to replace it",
        installed=(conffile("1", "one\n"),),
        offers={"security": (conffile("2", "two\n"),)},
        files={
            "/etc/conf.ini": "mine\n",
            "/etc/apt/apt.conf.d/99conf": 'DPkg::Options { "--force-confnew"; };\n',
        },
        watch=_WATCH,
        came=_KEPT,
        differs=Differs(
            peer={"conf": "2", "/etc/conf.ini": "two\n"},
            because="The promise that local files are kept hangs on no option that was set for somebody at a terminal.",
        ),
    ),
    World(
        title="a preinst that restores the configuration file is taken at its word",
        installed=(conffile("1", "one\n"),),
        offers={
            "security": (
                Package(
                    name="conf",
                    version="2",
                    files=(("/etc/conf.ini", "two\n"),),
                    conffiles=("/etc/conf.ini",),
                    scripts=(("preinst", "echo one >/etc/conf.ini"),),
                ),
            )
        },
        files={"/etc/conf.ini": "mine\n"},
        watch=_WATCH,
        came={"conf": "2", "/etc/conf.ini": "two\n"},
        differs=Differs(peer={}, because="dpkg looks after the preinst has run, and finds an untouched file."),
    ),
    World(
        title="a configuration file that comes from another package holds nothing",
        installed=(conffile("1", "one\n"), replace(conffile("1", "old\n", "/etc/old.ini", "old"), files=_OLD)),
        offers={
            "security": (
                Package(
                    name="conf",
                    version="2",
                    fields=(("Replaces", "old"),),
                    files=(("/etc/conf.ini", "one\n"), ("/etc/old.ini", "new\n")),
                    conffiles=("/etc/conf.ini", "/etc/old.ini"),
                ),
            )
        },
        watch=("/etc/old.ini",),
        came={"conf": "2", "/etc/old.ini": "new\n"},
        differs=Differs(peer={}, because="Nobody has edited it; dpkg compares with what the other package brought."),
    ),
    World(
        title="a local configuration file that equals the new one holds nothing",
        installed=(conffile("1", "one\n"),),
        offers={"security": (conffile("2", "two\n"),)},
        files={"/etc/conf.ini": "two\n"},
        watch=_WATCH,
        came={"conf": "2"},
        differs=Differs(peer={}, because="dpkg does not ask where the two are the same."),
    ),
    World(
        title="a configuration file whose name holds a space holds nothing",
        installed=(conffile("1", "one\n", "/etc/my conf"),),
        offers={"security": (conffile("2", "two\n", "/etc/my conf"),)},
        watch=("/etc/my conf",),
        came={"conf": "2", "/etc/my conf": "two\n"},
        differs=Differs(peer={}, because="dpkg takes the name as it is, and nobody has touched the file."),
    ),
    World(
        title="a configuration file that was deleted stays deleted",
        installed=(conffile("1", "one\n"),),
        offers={"security": (conffile("2", "two\n"),)},
        commands="rm /etc/conf.ini",
        watch=_WATCH,
        came={"conf": "2", "/etc/conf.ini.dpkg-dist": "two\n"},
        differs=Differs(
            peer={}, because="Deleting it was a decision like any edit: it stands, and the hole is closed."
        ),
    ),
)
