"""No program that the agent starts inherits the environment of the person who runs it, but for proxies."""

import shlex
from collections.abc import Mapping

import pytest

from tests.support.repository import Package
from tests.support.scenario import Scenario
from tests.support.server import serving

FOREIGN = {
    "LANG": "de_DE.UTF-8",
    "LANGUAGE": "de",
    "LC_MESSAGES": "de_DE.UTF-8",
    "LC_ALL": "de_DE.UTF-8",
    "TMPDIR": "/nonexistent/tmp",
    "TEMPDIR": "/nonexistent/tmp",
    "DEBIAN_FRONTEND": "dialog",
    "DPKG_FORCE": "all",
    "DPKG_ADMINDIR": "/nonexistent/dpkg",
    "APT_CONFIG": "/nonexistent/apt.conf",
    "PYTHONPATH": "/nonexistent/python",
    "PYTHONHOME": "/nonexistent/python",
    "PERL5LIB": "/nonexistent/perl",
    "BASH_ENV": "/nonexistent/bash",
    "ENV": "/nonexistent/sh",
    "IFS": "/",
    "CDPATH": "/nonexistent",
    "TAR_OPTIONS": "--exclude=*",
    "LD_LIBRARY_PATH": "/nonexistent/lib",
    "NOTIFY_SOCKET": "/nonexistent/socket",
    "SUDO_COMMAND": "/bin/false",
    "HOME": "/home/somebody",
    "USER": "somebody",
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/nonexistent/bin",
    "no_proxy": "127.0.0.1",
}
ALLOWED = {
    # of the agent
    "LC_ALL", "HOME", "USER", "LOGNAME", "SHELL", "PATH", "no_proxy", "TERM",
    "DEBIAN_FRONTEND", "APT_LISTCHANGES_FRONTEND", "NEEDRESTART_SUSPEND", "NEEDRESTART_MODE", "UCF_FORCE_CONFFOLD",
    "PACKAGEKIT_CALLER_UID",
    # of libapt, dpkg and sh
    "DPKG_FRONTEND_LOCKED", "DPKG_ADMINDIR", "DPKG_ROOT", "DPKG_FORCE", "DPKG_COLORS", "DPKG_NLS",
    "DPKG_RUNNING_VERSION",
    "DPKG_MAINTSCRIPT_ARCH", "DPKG_MAINTSCRIPT_DEBUG", "DPKG_MAINTSCRIPT_NAME", "DPKG_MAINTSCRIPT_PACKAGE",
    "DPKG_MAINTSCRIPT_PACKAGE_REFCOUNT", "APT_HOOK_INFO_FD", "APT_HOOK_SOCKET",
    "APT_CONFIG", "PWD", "OLDPWD", "SHLVL", "_", "TMPDIR", "GNUPGHOME",
}  # fmt: skip
HOOKS = ("APT::Update::Pre-Invoke", "APT::Update::Post-Invoke-Success", "DPkg::Pre-Invoke", "DPkg::Post-Invoke")
METHODS = "/usr/lib/apt/methods"
PROGRAMS = ("/usr/bin/dpkg", *(f"{METHODS}/{name}" for name in ("http", "store", "gpgv", "sqv")))
SCRIPTS = ("preinst", "postinst", "prerm", "postrm")


def wrap(host: Scenario, program: str) -> None:
    """Put a probe in front of a program."""
    host.machine.check(f"mv {program} {program}.real")
    name = program.rpartition("/")[2]
    host.machine.write(program, f'#!/bin/sh\n/probe/run {name} $$\nexec {program}.real "$@"\n', 0o755)


def seen(host: Scenario) -> Mapping[str, Mapping[str, str]]:
    """Return the environment of each program that ran."""
    found = {}
    for file in host.machine.path("/probe").glob("*.env"):
        lines = (line.partition("=") for line in file.read_text().splitlines())
        found[file.stem] = {name: value for name, _, value in lines}
    return found


@pytest.mark.every_release
def test_every_program_gets_the_agents_environment(host: Scenario) -> None:
    scripts = tuple((name, f"/probe/run {name} $$") for name in SCRIPTS)
    host.install(Package(name="a", version="1", scripts=tuple((name, "true") for name in SCRIPTS)))
    host.machine.write("/probe/run", '#!/bin/sh\ntr "\\0" "\\n" <"/proc/$2/environ" >"/probe/$1.env"\n', 0o755)
    host.machine.check("chmod 1777 /probe")
    lines = [f'{name} {{"/probe/run {name.replace("::", "-")} $$"; }};\n' for name in HOOKS]
    lines.append('DPkg::Pre-Install-Pkgs {"/probe/run DPkg-Pre-Install-Pkgs $$; cat >/dev/null"; };\n')
    host.machine.write("/etc/apt/apt.conf.d/99probe", "".join(lines))
    programs = [one for one in PROGRAMS if host.machine.path(one).exists()]
    with serving(host.machine.path("/srv")) as archive:
        host.repository("security", Package(name="a", version="2", scripts=scripts), at=f"{archive.url}/security")
        for program in programs:
            wrap(host, program)

        foreign = " ".join(f"{name}={shlex.quote(value)}" for name, value in FOREIGN.items())
        done = host.machine.run(f"env {foreign} maestro-agent upgrade --json")

    assert done.returncode == 0, done
    found = seen(host)
    hooks = {name.replace("::", "-") for name in (*HOOKS, "DPkg::Pre-Install-Pkgs")}
    assert {"dpkg", "http", "store", "preinst", "postinst", *hooks} <= found.keys()
    assert {"gpgv", "sqv"} & found.keys()
    for program, variables in found.items():
        assert variables["LC_ALL"] == "C.UTF-8", program
        assert (variables["HOME"], variables["no_proxy"]) == ("/root", "127.0.0.1"), program
        assert {name for name in variables if name not in ALLOWED} == set(), program
        assert "nonexistent" not in " ".join(variables.values()), program
