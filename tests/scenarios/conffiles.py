"""Configuration files: unmodified, local, deleted, and the cases in which dpkg would not ask."""

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
        title="an unmodified configuration file is replaced",
        installed=(conffile("1", "one\n"),),
        offers={"security": (conffile("2", "two\n"),)},
        watch=_WATCH,
        changes={"conf": "2", "/etc/conf.ini": "two\n"},
    ),
    World(
        title="a local configuration file is kept if the package's version did not change",
        installed=(conffile("1", "one\n"),),
        offers={"security": (conffile("2", "one\n"),)},
        files={"/etc/conf.ini": "mine\n"},
        watch=_WATCH,
        changes={"conf": "2"},
    ),
    World(
        title="a local configuration file is kept and the security update is installed",
        installed=(conffile("1", "one\n"), Z1),
        offers={"security": (conffile("2", "two\n"), Z2)},
        files={"/etc/conf.ini": "mine\n"},
        watch=_WATCH,
        changes={**_KEPT, "z": "2"},
        differs=Differs(
            peer={"z": "2"},
            because="Edited files are common on servers; the local version stays and the vulnerability is fixed.",
        ),
        peer_code=1,
    ),
    World(
        title='a local configuration file holds the update with `conffiles = "hold"`',
        installed=(conffile("1", "one\n"), Z1),
        offers={"security": (conffile("2", "two\n"), Z2)},
        files={"/etc/conf.ini": "mine\n"},
        config='conffiles = "hold"\n',
        watch=_WATCH,
        changes={"z": "2"},
        held={"conf": "conffile"},
        code=10,
        peer_code=1,
    ),
    World(
        title='a local configuration file that equals the new one holds nothing with `conffiles = "hold"`',
        installed=(conffile("1", "one\n"), Z1),
        offers={"security": (conffile("2", "two\n"), Z2)},
        files={"/etc/conf.ini": "two\n"},
        config='conffiles = "hold"\n',
        watch=_WATCH,
        changes={"conf": "2", "z": "2"},
        differs=Differs(peer={"z": "2"}, because="The file equals the new version's, so dpkg does not ask."),
        peer_code=1,
    ),
    World(
        title="a local configuration file does not hide the only update",
        installed=(conffile("1", "one\n"),),
        offers={"security": (conffile("2", "two\n"),)},
        files={"/etc/conf.ini": "mine\n"},
        watch=_WATCH,
        changes=_KEPT,
        differs=Differs(
            peer={},
            because="If nothing else is pending, unattended-upgrades reports success and does not mention the update.",
        ),
    ),
    World(
        title="a local configuration file is kept with dpkg's force-confold",
        installed=(conffile("1", "one\n"),),
        offers={"security": (conffile("2", "two\n"),)},
        files={
            "/etc/conf.ini": "mine\n",
            "/etc/apt/apt.conf.d/99conf": 'DPkg::Options { "--force-confold"; };\n',
        },
        watch=_WATCH,
        changes=_KEPT,
    ),
    World(
        title="a local configuration file is kept with dpkg's force-confdef",
        installed=(conffile("1", "one\n"),),
        offers={"security": (conffile("2", "two\n"),)},
        files={
            "/etc/conf.ini": "mine\n",
            "/etc/apt/apt.conf.d/99conf": 'DPkg::Options { "--force-confdef"; };\n',
        },
        watch=_WATCH,
        changes=_KEPT,
        differs=Differs(peer={}, because="With --force-confdef dpkg keeps the local file and does not ask."),
    ),
    World(
        title="a local configuration file is kept even with dpkg's force-confnew",
        installed=(conffile("1", "one\n"),),
        offers={"security": (conffile("2", "two\n"),)},
        files={
            "/etc/conf.ini": "mine\n",
            "/etc/apt/apt.conf.d/99conf": 'DPkg::Options { "--force-confnew"; };\n',
        },
        watch=_WATCH,
        changes=_KEPT,
        differs=Differs(
            peer={"conf": "2", "/etc/conf.ini": "two\n"},
            because="Local files are always kept, even if an option meant for interactive use would replace them.",
        ),
    ),
    World(
        title="a preinst that restores the configuration file holds nothing",
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
        changes={"conf": "2", "/etc/conf.ini": "two\n"},
        differs=Differs(peer={}, because="dpkg compares the file after the preinst has run and finds it unmodified."),
    ),
    World(
        title="a configuration file that moves from another package holds nothing",
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
        changes={"conf": "2", "/etc/old.ini": "new\n"},
        differs=Differs(peer={}, because="The file was not edited; dpkg compares it with the other package's version."),
    ),
    World(
        title="a local configuration file that equals the new one holds nothing",
        installed=(conffile("1", "one\n"),),
        offers={"security": (conffile("2", "two\n"),)},
        files={"/etc/conf.ini": "two\n"},
        watch=_WATCH,
        changes={"conf": "2"},
        differs=Differs(peer={}, because="dpkg does not ask if both files are the same."),
    ),
    World(
        title="a configuration file with a space in its name holds nothing",
        installed=(conffile("1", "one\n", "/etc/my conf"),),
        offers={"security": (conffile("2", "two\n", "/etc/my conf"),)},
        watch=("/etc/my conf",),
        changes={"conf": "2", "/etc/my conf": "two\n"},
        differs=Differs(peer={}, because="dpkg supports such names, and the file was not modified."),
    ),
    World(
        title="a deleted configuration file stays deleted",
        installed=(conffile("1", "one\n"),),
        offers={"security": (conffile("2", "two\n"),)},
        commands="rm /etc/conf.ini",
        watch=_WATCH,
        changes={"conf": "2", "/etc/conf.ini.dpkg-dist": "two\n"},
        differs=Differs(
            peer={},
            because="Deleting the file is a local change like any edit: it is kept, and the vulnerability is fixed.",
        ),
    ),
)
