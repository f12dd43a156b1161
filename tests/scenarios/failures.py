"""Failures: downloads, maintainer scripts, locks, and an interrupted dpkg."""

from tests.support.repository import package
from tests.support.world import Differs, World

A1, A2, B1, B2, Z1, Z2 = (package(name, version) for name in "abz" for version in "12")
_KILLED = "kill -9 $PPID; sleep 1"
_HOLDER = """import fcntl, pathlib, time

def waited_for():
    lines = []
    for process in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(process.read_bytes())
        except OSError:
            continue
    return any(b"maestro-agent" in line for line in lines)

file = open("/var/lib/dpkg/lock-frontend", "w")
fcntl.lockf(file, fcntl.LOCK_EX)
pathlib.Path("/run/held").touch()
while not waited_for():
    time.sleep(0.1)
time.sleep(5)
"""
_ONCE = f"test -e /second || {{ touch /second; {_KILLED}; }}"

FAILURES = (
    World(
        title="a failing prerm of the old version is recovered by the new one",
        installed=(package("a", "1", prerm="test $1 = failed-upgrade"), Z1),
        offers={"security": (package("a", "2", prerm="exit 0"), Z2)},
        changes={"a": "2", "z": "2"},
    ),
    World(
        title="a package that needs a failing package is unpacked but not configured",
        installed=(A1, B1),
        offers={"security": (package("a", "2", postinst="exit 3"), package("b", "2", depends="a (>= 2)"))},
        changes={"a": "half-configured 2", "b": "unpacked 2"},
        code=1,
        peer_code=1,
        breaks=True,
        differs=Differs(
            peer={"a": "half-configured 2"},
            because="The agent installs both in one transaction, as apt does; the peer never starts the second.",
            conceded=True,
        ),
    ),
    World(
        title="a package that cannot be downloaded stops no other",
        installed=(A1, B1, Z1),
        offers={"security": (A2, B2, Z2)},
        spoil="404:b_2",
        changes={"a": "2", "z": "2"},
        held={"b": "download-failed"},
        code=10,
        differs=Differs(
            peer={}, because="Packages that were downloaded and verified do not depend on the missing one."
        ),
        peer_code=1,
    ),
    World(
        title="a package with a wrong checksum stops no other",
        installed=(A1, B1, Z1),
        offers={"security": (A2, B2, Z2)},
        spoil="hash:b_2",
        changes={"a": "2", "z": "2"},
        held={"b": "download-failed"},
        code=10,
        differs=Differs(
            peer={}, because="apt rejects the damaged archive by its checksum; the other archives passed theirs."
        ),
        peer_code=1,
    ),
    World(
        title="a failing postinst stops no other package",
        installed=(A1, B1, Z1),
        offers={"security": (A2, package("b", "2", postinst="exit 3"), Z2)},
        changes={"a": "2", "b": "half-configured 2", "z": "2"},
        code=1,
        breaks=True,
        differs=Differs(
            peer={"a": "2", "b": "half-configured 2"},
            because="The others do not depend on it; unattended-upgrades stops at its first failure.",
        ),
        peer_code=1,
    ),
    World(
        title="a failing preinst keeps the old version in use",
        installed=(A1, B1, Z1),
        offers={"security": (A2, package("b", "2", preinst="exit 3"), Z2)},
        changes={"a": "2", "z": "2"},
        code=1,
        differs=Differs(
            peer={"a": "2"},
            because="dpkg restores the old version itself, and the other packages do not depend on it.",
        ),
        peer_code=1,
    ),
    World(
        title="a postinst that reads from the terminal gets end of file",
        installed=(A1,),
        offers={"security": (package("a", "2", postinst='read line; echo "got:$line" > /asked; exit 0'),)},
        watch=("/asked",),
        changes={"a": "2", "/asked": "got:\n"},
    ),
    World(
        title="a lock that is released in time is waited for",
        installed=(A1,),
        offers={"security": (A2,)},
        files={"/srv/holder.py": _HOLDER},
        commands="setsid python3 /srv/holder.py </dev/null >/dev/null 2>&1 & until test -e /run/held; do sleep 1; done",
        changes={"a": "2"},
        differs=Differs(peer={}, because="Another running package manager is normal and usually finishes soon."),
        peer_code=1,
    ),
    World(
        title="each dpkg hook runs once for each run",
        installed=(A1, B1, Z1),
        offers={"security": (A2, B2, Z2)},
        files={"/etc/apt/apt.conf.d/99hook": 'DPkg::Post-Invoke { "echo x >> /hooks"; };\n'},
        watch=("/hooks",),
        changes={"a": "2", "b": "2", "z": "2", "/hooks": "x\n"},
        differs=Differs(
            peer={"a": "2", "b": "2", "z": "2", "/hooks": "x\n" * 6},
            because="A hook is meant for one run of dpkg; unattended-upgrades runs it twice for every package.",
        ),
    ),
    World(
        title="an update that requires a reboot only sets the flag",
        installed=(A1,),
        offers={"security": (package("a", "2", postinst="touch /run/reboot-required"),)},
        watch=("/run/reboot-required",),
        changes={"a": "2", "/run/reboot-required": ""},
    ),
)

LEFTOVERS = (
    World(
        title="a half-configured package is configured even if nothing else is pending",
        offers={"security": ()},
        attempts=(package("a", "1", postinst=_ONCE),),
        changes={"a": "1"},
        differs=Differs(
            peer={}, because="A package that is not configured does not work; configuring it is always safe."
        ),
        peer_code=1,
    ),
    World(
        title="an unpacked package is configured even if nothing else is pending",
        offers={"security": ()},
        unpacked=(package("a", "1"),),
        changes={"a": "1"},
        differs=Differs(
            peer={},
            because="The package does not work until it is configured, and its next update may be far away.",
        ),
    ),
    World(
        title="an interrupted dpkg run is finished before the updates",
        installed=(Z1,),
        offers={"security": (Z2,)},
        attempts=(package("a", "1", postinst=_ONCE),),
        changes={"a": "1", "z": "2"},
        differs=Differs(
            peer={},
            because="dpkg's own recovery is `dpkg --configure -a`, which unattended-upgrades does not reach here.",
        ),
        peer_code=1,
    ),
    World(
        title="an unpacked package is configured together with the updates",
        installed=(Z1,),
        offers={"security": (Z2,)},
        unpacked=(package("a", "1"),),
        changes={"a": "1", "z": "2"},
    ),
    World(
        title="a package that needs reinstallation is upgraded",
        installed=(A1, Z1),
        offers={"security": (package("a", "3"), Z2)},
        attempts=(package("a", "2", preinst=_KILLED),),
        changes={"a": "3", "z": "2"},
        differs=Differs(
            peer={}, because="apt can install the new version over it, and the other packages do not depend on it."
        ),
        peer_code=1,
    ),
    World(
        title="a package that needs reinstallation is reinstalled in its version",
        installed=(A1, Z1),
        offers={"security": (Z2,), "main": (A1,)},
        attempts=(package("a", "1", preinst=_KILLED),),
        changes={"a": "1", "z": "2"},
        differs=Differs(
            peer={},
            because="The archive has the same version, which is all dpkg needs, and the others do not depend on it.",
        ),
        peer_code=1,
    ),
)
