"""Reads apt's configuration, and sets what runs without a person need."""

import warnings

import apt_pkg

from agent.core.package_label import set_native
from agent.host.apt.errors import libapt_errors
from agent.host.apt.secrets import remember_apt_secrets
from agent.host.dpkg.environment import KEEP_LOCAL_CONFFILES


def configure() -> None:
    """Read apt's configuration and set the options for unattended runs. Call once, before anything else here.

    Raises:
        HostError: apt.conf cannot be parsed; the message is libapt's own with file and line.
    """
    with libapt_errors("apt's configuration cannot be read (`apt-config dump` shows the same)"):
        # libapt's warnings are reported per source; python-apt would also print them as Python warnings.
        warnings.simplefilter("ignore")
        apt_pkg.init_config()
        for option in KEEP_LOCAL_CONFFILES:
            apt_pkg.config.set("DPkg::Options::", option)
        apt_pkg.config.set("APT::Get::AllowUnauthenticated", "false")
        apt_pkg.config.set("Acquire::AllowInsecureRepositories", "false")
        apt_pkg.config.set("APT::Color", "false")
        apt_pkg.init_system()
        set_native(apt_pkg.config.find("APT::Architecture"))
    remember_apt_secrets()
