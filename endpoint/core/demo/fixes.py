"""The invented security fixes of a demo: packages, versions, CVE ids and when each was published. Pure.

The CVE ids are of no real vulnerability: they are above those that were ever assigned.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from endpoint.core.demo.dice import Dice

DAYS = 90


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoFix:
    """One update of one source package."""

    package: str
    source: str
    installed: str
    candidate: str
    cves: tuple[str, ...]
    published_at: datetime
    waits_for: str | None = None
    """After the installation: `reboot`, or `restart` of a service."""
    unit: str | None = None


_PACKAGES: tuple[tuple[str, str, str, str | None, str | None], ...] = (
    ("libssl3", "openssl", "3.0.{}-1", "restart", "nginx.service"),
    ("openssh-server", "openssh", "1:9.2p1-2+u{}", None, None),
    ("curl", "curl", "7.88.1-10+u{}", None, None),
    ("libexpat1", "expat", "2.5.0-1+u{}", None, None),
    ("nginx", "nginx", "1.22.1-9+u{}", None, None),
    ("sudo", "sudo", "1.9.13p3-1+u{}", None, None),
    ("postgresql-15", "postgresql-15", "15.{}-0", None, None),
    ("libxml2", "libxml2", "2.9.14-1+u{}", None, None),
    ("systemd", "systemd", "252.{}-1", None, None),
    ("linux-image-amd64", "linux-signed-amd64", "6.1.{}-1", "reboot", None),
    ("libc6", "glibc", "2.36-9+u{}", "reboot", None),
    ("bind9", "bind9", "1:9.18.{}-1", None, None),
    ("redis-server", "redis", "5:7.0.15-1+u{}", None, None),
    ("libgnutls30", "gnutls28", "3.7.9-2+u{}", "restart", "postfix.service"),
    ("git", "git", "1:2.39.{}-0", None, None),
    ("python3.11-minimal", "python3.11", "3.11.2-6+u{}", None, None),
)


def demo_fixes(now: datetime) -> tuple[DemoFix, ...]:
    """Return the fixes of the last 90 days, the oldest first."""
    dice, fixes = Dice("fixes"), []
    for at in range(34):
        days = DAYS - at * DAYS // 34 - dice.number(2)
        package, source, version, waits_for, unit = _PACKAGES[(at * 7) % len(_PACKAGES)]
        cves = tuple(f"CVE-2026-{990000 + at * 10 + part}" for part in range(dice.between(1, 3)))
        fixes.append(
            DemoFix(
                package=package,
                source=source,
                installed=version.format(at // 2 + 3),
                candidate=version.format(at // 2 + 4),
                cves=cves,
                published_at=now - timedelta(days=max(0, days), hours=dice.between(1, 20)),
                waits_for=waits_for,
                unit=unit,
            )
        )
    return tuple(fixes)
