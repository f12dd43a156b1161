"""What a `maestro.report/1` says of a host, as columns and rows. Pure; the report has passed its schema.

Text is cut to the width of its column: the schema allows longer texts than anybody writes.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from enum import Enum
from typing import Any

from endpoint.core.host_states import HostFlags
from endpoint.core.timestamps import parse_utc

NO_FIX_S = 1e12
"""`exposed_since` of a host without an inactive fix, so that it sorts behind all others."""
_TIME_AND_HASH = re.compile(r'"generated_at":"[^"]*","hash":"[^"]*",')
_UNHEALTHY_REBOOTS = frozenset({"rebooted-with-problems", "not-rebooted", "failed", "interrupted"})
_UNFINISHED_RUNS = frozenset({"failed", "interrupted", "degraded"})
_KNOWN_SUPPORT = frozenset({"supported", "extended", "ended"})
"""Whatever later versions add is unknown here."""
_MAX_NAMED = 3
_MAX_COUNT = 2**31 - 1
_SORT_WIDTH = 255
"""PostgreSQL's index entries end at 2704 bytes."""
Report = Mapping[str, Any]
_EMPTY: Report = {}


class PackageStage(Enum):
    """What a host's plan does with a package."""

    PENDING = "pending"
    HELD = "held"
    ESM_ONLY = "esm-only"
    """Only a subscription of Ubuntu Pro brings its fix."""
    REPAIR = "repair"


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageRow:
    """One package of a plan."""

    package: str
    architecture: str
    stage: PackageStage
    why: str | None = None
    until: str | None = None
    installed: str | None = None
    candidate: str | None = None
    security: bool | None = None
    cves: tuple[str, ...] = ()


def host_columns(report: Report | None) -> dict[str, Any]:
    """Return the columns of `hosts` that a state decides; None: none was received."""
    state = report or _EMPTY
    host, release, reboot = _part(state, "host"), _part(state, "release"), _part(state, "reboot")
    updates, kernel, run = _part(state, "updates"), _part(state, "kernel"), _part(state, "last_outcome")
    agent, system, name = _part(state, "agent"), _part(host, "os"), host.get("name")
    requests = state.get("requests")
    return {
        "name": _cut(name, 1024),
        "sort_name": (_cut(name, 1024) or "").lower()[:_SORT_WIDTH],
        "architecture": _cut(host.get("architecture"), 64),
        "release": _cut(" ".join(filter(None, (system.get("id"), system.get("version")))) or None, 128),
        "codename": _cut(system.get("codename"), 64),
        "release_support": _cut(release.get("support"), 64),
        "release_until": _cut(release.get("until"), 10),
        "ended_at": ended_s(release),
        "lists_state": _cut(_part(state, "lists").get("state"), 64),
        "lists_good_at": _lists_good_s(_part(state, "lists")),
        "health": _cut(state.get("health"), 64),
        "pending_count": _count(updates.get("security_pending")),
        "held_count": _count(updates.get("held")),
        "reboot_required": reboot.get("required"),
        "reboot_since": _cut(reboot.get("since"), 32),
        "reboot_packages": _named(reboot.get("packages") or ()),
        "kernel_running": _cut(kernel.get("running"), 256),
        "kernel_outdated": kernel.get("outdated"),
        "last_result": _cut(run.get("result"), 64),
        "last_run_at": _cut(run.get("finished_at") or run.get("started_at"), 32),
        "docker_version": _cut(_part(state, "docker").get("installed"), 128),
        "weave_version": _cut(_part(state, "weave").get("installed"), 128),
        "lock_group": _cut(_part(state, "fleet_lock").get("group"), 64),
        "automatic": _cut(agent.get("automatic"), 64),
        "patcher": _cut(agent.get("patcher"), 64),
        "plan_id": _cut(updates.get("plan_id"), 64),
        "requests_allow": None if requests is None else " ".join(map(clean, requests["allow"]))[:256],
        "requests_signed": None if requests is None else requests["signed"],
        **_exposure(_part(state, "exposure")),
        **_flag_columns(host_flags(state)),
    }


def host_flags(state: Report) -> HostFlags:
    """Return what a report alone decides of a host's states; an empty one: all is unknown."""
    updates, exposure = _part(state, "updates"), _part(state, "exposure")
    engines = [_part(state, name) for name in ("docker", "weave")]
    health, reboot = state.get("health"), _part(state, "reboot").get("required")
    unfinished = bool(updates.get("repair")) or _part(state, "last_outcome").get("result") in _UNFINISHED_RUNS
    rebooted = _part(_part(state, "reboots"), "last").get("result")
    needed = (
        updates.get("security_pending"), updates.get("held"), reboot, exposure.get("pending"),
        exposure.get("installed"), _lists_good_s(_part(state, "lists")),
    )  # fmt: skip
    return HostFlags(
        attention=health not in {"healthy", "unknown", None}
        or unfinished
        or rebooted in _UNHEALTHY_REBOOTS
        or bool(exposure.get("installed") or updates.get("hidden_security"))
        or (bool(exposure.get("pending")) and not (updates.get("security_pending") or updates.get("held"))),
        pending=bool(updates.get("security_pending")) or _names_fix(updates.get("items") or ()),
        held=bool(updates.get("held")),
        reboot=bool(reboot),
        restart=any(bool(engine.get("restart_pending")) for engine in engines),
        unfinished=unfinished,
        unknown=health in {"unknown", None}
        or any(value is None for value in needed)
        or _part(state, "release").get("support") not in _KNOWN_SUPPORT
        or any(engine.get("unseen") is not None or engine.get("running_known") is False for engine in engines),
    )


def package_rows(state: Report) -> list[PackageRow]:
    """Return the packages of a report's plan, each once; none if the machine was never observed."""
    updates = _part(state, "updates")
    listed = (
        (PackageStage.REPAIR, updates.get("repair") or ()),
        (PackageStage.ESM_ONLY, updates.get("esm_only_items") or ()),
        (PackageStage.HELD, updates.get("held_items") or ()),
        (PackageStage.PENDING, updates.get("items") or ()),
    )
    found = {}
    for stage, items in listed:
        for item in items:
            row = _package(stage, item)
            found[row.package, row.architecture] = row
    return list(found.values())


def ended_s(release: Report) -> float | None:
    """Return when a release of a report gets no security updates any more; 0: it had ended then; None: unknown."""
    if release.get("support") == "ended":
        return 0.0
    try:
        day = datetime.strptime(str(release.get("until")), "%Y-%m-%d").replace(tzinfo=timezone.utc)
        return (day + timedelta(days=1)).timestamp()
    except (ValueError, OverflowError):
        return None


def agent_tags(state: Report) -> frozenset[str]:
    """Return the tags that the host's own configuration gives it."""
    return frozenset(clean(tag)[:64] for tag in _part(state, "host").get("tags") or ())


def clean(value: object) -> str:
    """Return text that every database takes: no NUL, no lone surrogate."""
    text = str(value)
    if text.isascii() and "\0" not in text:
        return text
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")


def package_name(item: Report) -> str:
    """Return the name of an item with a `package`, as rows have it."""
    return clean(item["package"])[:256]


def state_digest(text: str) -> str:
    """Return the digest of a report as it is stored, with sorted keys, but for its time and its hash.

    Agents send a report only if something of it has changed, but not everything is shown in lists.
    """
    return hashlib.blake2b(_TIME_AND_HASH.sub("", text, 1).encode("ascii"), digest_size=16).hexdigest()


def part_digests(state: Report) -> dict[str, str]:
    """Return the digests of `hosts` for the rows that belong to a state: equal ones mean equal rows."""
    updates = _part(state, "updates")
    packages = _digest([updates.get(name) for name in ("items", "held_items", "esm_only_items", "repair")])
    clock = _part(state, "exposure")
    fixes = (packages, clock.get("installed"), clock.get("fixes"), _part(state, "lists").get("state"))
    return {
        "packages_digest": packages,
        "fixes_digest": _digest(fixes),
        "tags_digest": _digest(sorted(agent_tags(state))),
    }


def _digest(parts: object) -> str:
    return hashlib.blake2b(json.dumps(parts, sort_keys=True).encode("ascii"), digest_size=16).hexdigest()


def moment_s(text: object) -> float | None:
    """Return a time of a report in Unix seconds; None: not known, or no such time."""
    try:
        return parse_utc(str(text)).timestamp() if text is not None else None
    except (ValueError, OverflowError):
        return None


def _names_fix(items: Iterable[Report]) -> bool:
    """Return whether an update fixes a CVE: those from other than security sources are not counted as security ones."""
    return any(item.get("cves") for item in items)


def _package(stage: PackageStage, item: Report) -> PackageRow:
    return PackageRow(
        package=package_name(item),
        architecture=clean(item["architecture"])[:64],
        stage=stage,
        why=_cut(item.get("why", item.get("state")), 64),
        until=_cut(item.get("until"), 32),
        installed=_cut(item.get("installed"), 256),
        candidate=_cut(item.get("candidate"), 256),
        security=item.get("security"),
        cves=tuple(cve for cve in item.get("cves") or () if len(cve) <= 32),  # noqa: PLR2004 - the column
    )


def _lists_good_s(lists: Report) -> float | None:
    """Return when the oldest security source was verified; 0: the host itself does not call the lists fresh."""
    if lists.get("state") is None:
        return None
    if lists["state"] != "fresh":
        return 0.0
    verified = [moment_s(one["verified_at"]) for one in lists.get("sources") or () if one["security"]]
    known = [moment_s(lists.get("updated_at")), *verified]
    return min((at for at in known if at is not None), default=None)


def _exposure(exposure: Report) -> dict[str, Any]:
    counts = [exposure.get(stage) for stage in ("pending", "installed")]
    since = moment_s(exposure.get("oldest_since"))
    inactive = sum(count or 0 for count in counts) if any(count is not None for count in counts) else None
    return {
        "inactive_fixes": None if inactive is None else _count(inactive),
        "exposed_since": NO_FIX_S if since is None else since,
    }


def _flag_columns(flags: HostFlags) -> dict[str, bool]:
    return {
        "is_attention": flags.attention,
        "is_pending": flags.pending,
        "is_held": flags.held,
        "is_reboot": flags.reboot,
        "is_restart": flags.restart,
        "is_unfinished": flags.unfinished,
        "is_unknown": flags.unknown,
        "is_green": flags.green,
    }


def _named(packages: Iterable[object]) -> str | None:
    names = [clean(package) for package in packages]
    more = " and others" if len(names) > _MAX_NAMED else ""
    return f"{', '.join(names[:_MAX_NAMED])[:240]}{more}" if names else None


def _count(number: object) -> int:
    return -1 if number is None else min(int(str(number).partition(".")[0]), _MAX_COUNT)


def _cut(text: object, most: int) -> str | None:
    return None if text is None else clean(text)[:most]


def _part(state: Report, name: str) -> Report:
    part: Report = state.get(name) or _EMPTY
    return part
