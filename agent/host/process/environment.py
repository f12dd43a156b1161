"""The environment of every program that the agent starts. Light: used by the daemon.

A job must do the same whoever requests it and from whichever shell, so little is inherited:

- Languages (LC_*, LANG, LANGUAGE) are replaced: error messages are parsed, and they are shown to any reader.
- Proxies (`http_proxy` and so on) are kept: apt takes them from there as well (apt-transport-http(1)).
- HOME, USER, LOGNAME and SHELL become root's own: sudo may keep those of the person, and dpkg reads ~/.dpkg.cfg.
- All else is dropped for apt, dpkg and maintainer scripts, such as
  DPKG_* and APT_CONFIG, which select another database, options or configuration than those on the machine;
  TMPDIR, which may be a directory of the person that apt's download user cannot enter (pam_tmpdir(8));
  IFS, ENV, BASH_ENV, CDPATH, PYTHON*, PERL*, LD_*, TAR_OPTIONS, which change what scripts and their programs do;
  NOTIFY_SOCKET, LISTEN_*, INVOCATION_ID, which belong to the agent's own unit;
  DEBIAN_FRONTEND, whose value for dpkg is the agent's.
"""

import os
import pwd
from collections.abc import Mapping

LANGUAGE: Mapping[str, str] = {"LC_ALL": "C.UTF-8"}
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_OWN = ("TERM", "COLUMNS", "NO_COLOR")
"""What the command itself still needs after its job: how to print."""
_PROXIES = ("http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy")


def without_languages(inherited: Mapping[str, str]) -> dict[str, str]:
    """Return an environment with English messages in UTF-8; for the agent's own programs."""
    kept = {name: value for name, value in inherited.items() if name not in {"LANG", "LANGUAGE"} and name[:3] != "LC_"}
    return {**kept, **LANGUAGE}


def system_environment(inherited: Mapping[str, str]) -> dict[str, str]:
    """Return the environment for programs of the system: the kept variables and fixed ones."""
    proxies = {name: value for name, value in inherited.items() if name.lower() in _PROXIES}
    return {**proxies, **LANGUAGE, **_login(), "PATH": PATH, "SHELL": "/bin/sh"}


def use_system_environment() -> None:
    """Give this process that environment: its children inherit it, such as libapt's download methods and hooks."""
    own = {name: os.environ[name] for name in _OWN if name in os.environ}
    replace_environment({**system_environment(os.environ), **own})


def replace_environment(variables: Mapping[str, str]) -> None:
    """Set the environment of this process, for its children and for the C libraries in it, to these variables."""
    os.environ.clear()
    os.environ.update(variables)


def _login() -> dict[str, str]:
    try:
        user = pwd.getpwuid(os.geteuid())
    except KeyError:
        return {"HOME": "/"}
    return {"HOME": user.pw_dir, "USER": user.pw_name, "LOGNAME": user.pw_name}
