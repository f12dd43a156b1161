"""What goes wrong: downloads, maintainer scripts, locks, and what an interrupted dpkg left behind."""

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
        title="a failing prerm of the old version is mended by the new one",
        installed=(package("a", "1", prerm="test $1 = failed-upgrade"), Z1),
        offers={"security": (package("a", "2", prerm="exit 0"), Z2)},
        came={"a": "2", "z": "2"},
    ),
    World(
        title="what needs a failing package waits for it",
        installed=(A1, B1),
        offers={"security": (package("a", "2", postinst="exit 3"), package("b", "2", depends="a (>= 2)"))},
        came={"a": "half-configured 2", "b": "unpacked 2"},
        code=1,
        peer_code=1,
        breaks=True,
        differs=Differs(
            peer={"a": "half-configured 2"},
            because="Here both are in one transaction, as apt itself does it; there the second never began.",
            conceded=True,
        ),
    ),
    World(
        title="a package that cannot be downloaded holds back itself alone",
        installed=(A1, B1, Z1),
        offers={"security": (A2, B2, Z2)},
        spoil="404:b_2",
        came={"a": "2", "z": "2"},
        held={"b": "download-failed"},
        code=10,
        differs=Differs(peer={}, because="What was downloaded and verified is no worse for another package's missing."),
        peer_code=1,
    ),
    World(
        title="a package that arrives damaged holds back itself alone",
        installed=(A1, B1, Z1),
        offers={"security": (A2, B2, Z2)},
        spoil="hash:b_2",
        came={"a": "2", "z": "2"},
        held={"b": "download-failed"},
        code=10,
        differs=Differs(
            peer={}, because="apt refuses the damaged one by its checksum, and the others have passed theirs."
        ),
        peer_code=1,
    ),
    World(
        title="a failing postinst fails one package and no other",
        installed=(A1, B1, Z1),
        offers={"security": (A2, package("b", "2", postinst="exit 3"), Z2)},
        came={"a": "2", "b": "half-configured 2", "z": "2"},
        code=1,
        breaks=True,
        differs=Differs(
            peer={"a": "2", "b": "half-configured 2"},
            because="The others are independent of it; unattended-upgrades stops at the first, whichever that is.",
        ),
        peer_code=1,
    ),
    World(
        title="a failing preinst leaves the old version in service",
        installed=(A1, B1, Z1),
        offers={"security": (A2, package("b", "2", preinst="exit 3"), Z2)},
        came={"a": "2", "z": "2"},
        code=1,
        differs=Differs(
            peer={"a": "2"},
            because="dpkg goes back to the old version by itself, and the others are independent of it.",
        ),
        peer_code=1,
    ),
    World(
        title="a postinst that asks gets no answer and no wait",
        installed=(A1,),
        offers={"security": (package("a", "2", postinst='read line; echo "got:$line" > /asked; exit 0'),)},
        watch=("/asked",),
        came={"a": "2", "/asked": "got:\n"},
    ),
    World(
        title="a lock that gets free is waited for",
        installed=(A1,),
        offers={"security": (A2,)},
        files={"/srv/holder.py": _HOLDER},
        commands="setsid python3 /srv/holder.py </dev/null >/dev/null 2>&1 & until test -e /run/held; do sleep 1; done",
        came={"a": "2"},
        differs=Differs(peer={}, because="Another package manager at work is ordinary, and soon done."),
        peer_code=1,
    ),
    World(
        title="hooks of dpkg run once for a run",
        installed=(A1, B1, Z1),
        offers={"security": (A2, B2, Z2)},
        files={"/etc/apt/apt.conf.d/99hook": 'DPkg::Post-Invoke { "echo x >> /hooks"; };\n'},
        watch=("/hooks",),
        came={"a": "2", "b": "2", "z": "2", "/hooks": "x\n"},
        differs=Differs(
            peer={"a": "2", "b": "2", "z": "2", "/hooks": "x\n" * 6},
            because="A hook is meant for a run of dpkg; unattended-upgrades runs each twice, for every package.",
        ),
    ),
    World(
        title="an update that asks for a reboot only leaves the flag",
        installed=(A1,),
        offers={"security": (package("a", "2", postinst="touch /run/reboot-required"),)},
        watch=("/run/reboot-required",),
        came={"a": "2", "/run/reboot-required": ""},
    ),
)

LEFTOVERS = (
    World(
        title="a package left unpacked is finished with nothing else to do",
        offers={"security": ()},
        attempts=(package("a", "1", postinst=_ONCE),),
        came={"a": "1"},
        differs=Differs(
            peer={}, because="A package that is not configured is not in service; finishing it is always safe."
        ),
        peer_code=1,
    ),
    World(
        title="a package that was only unpacked is configured with nothing else to do",
        offers={"security": ()},
        unpacked=(package("a", "1"),),
        came={"a": "1"},
        differs=Differs(
            peer={},
            because="Until it is configured it is out of service, and the next update may be long in coming.",
        ),
    ),
    World(
        title="an interrupted dpkg is finished before the updates",
        installed=(Z1,),
        offers={"security": (Z2,)},
        attempts=(package("a", "1", postinst=_ONCE),),
        came={"a": "1", "z": "2"},
        differs=Differs(
            peer={},
            because="dpkg's own way out is `dpkg --configure -a`, which unattended-upgrades does not come to.",
        ),
        peer_code=1,
    ),
    World(
        title="a package that was only unpacked is configured beside the updates",
        installed=(Z1,),
        offers={"security": (Z2,)},
        unpacked=(package("a", "1"),),
        came={"a": "1", "z": "2"},
    ),
    World(
        title="a package that wants to be installed again is brought to its update",
        installed=(A1, Z1),
        offers={"security": (package("a", "3"), Z2)},
        attempts=(package("a", "2", preinst=_KILLED),),
        came={"a": "3", "z": "2"},
        differs=Differs(peer={}, because="apt has the new archive at hand, and the rest is independent of it."),
        peer_code=1,
    ),
    World(
        title="a package that wants to be installed again is installed as it was",
        installed=(A1, Z1),
        offers={"security": (Z2,), "main": (A1,)},
        attempts=(package("a", "1", preinst=_KILLED),),
        came={"a": "1", "z": "2"},
        differs=Differs(
            peer={},
            because="The archive has the same version, dpkg asks for nothing else, and the rest is independent of it.",
        ),
        peer_code=1,
    ),
)
