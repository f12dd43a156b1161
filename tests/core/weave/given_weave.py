"""Weave before and after an upgrade that succeeded; a test changes the one thing that it is about."""

from dataclasses import replace
from typing import Any

from agent.core.model.docker import WeaveAttachment
from agent.core.model.weave import RouterArguments, RouterReport, Vendor, WeaveFacts, WeaveKind, WeaveScript
from agent.core.weave.snapshot import AttachedContainer, SavedScript, WeaveNetwork, WeavePhase, WeaveSnapshot
from tests.core.given import BOOT, NOW

OLD, NEW = "2.8.10", "2.9.0"
PEER = "aa:bb:cc:dd:ee:01"
OTHER_PEER = "aa:bb:cc:dd:ee:02"
REPORT = RouterReport(
    version=OLD,
    ready=True,
    peer_name="4e:ec:26:14:22:3d",
    nickname="w1",
    targets=("192.168.77.2",),
    established=(PEER,),
    ipam_range="10.2.0.0/16",
    ipam_ready=True,
    active_addresses=2,
)
ARGUMENTS = RouterArguments(
    words=("--ipalloc-range", "10.2.0.0/16", "192.168.77.2"),
    environment=(("WEAVE_MTU", "1400"),),
    encrypted=True,
    peers=("192.168.77.2",),
    ipalloc_range="10.2.0.0/16",
)
OLD_SCRIPT = WeaveScript(path="/usr/local/bin/weave", version=OLD, sha256="old")
NEW_SCRIPT = replace(OLD_SCRIPT, version=NEW, sha256="new")


def attached(name: str = "web", **fields: Any) -> AttachedContainer:
    """Return a container of `--net=weave` that runs."""
    healthy = AttachedContainer(
        id=f"id-{name}",
        name=name,
        attachment=WeaveAttachment.NETWORK,
        running=True,
        address="10.2.0.1",
        network_id="n1",
    )
    return replace(healthy, **fields)


def network(*containers: AttachedContainer, **fields: Any) -> WeaveNetwork:
    """Return Weave's network as it was before."""
    return replace(WeaveNetwork(id="n1", containers=containers), **fields)


def weave(**fields: Any) -> WeaveFacts:
    """Return Weave after the upgrade."""
    healthy = WeaveFacts(
        kind=WeaveKind.SCRIPT,
        script=NEW_SCRIPT,
        container_state="running",
        image=f"rajchaudhuri/weave:{NEW}",
        vendor=Vendor.RAJCHAUDHURI,
        arguments=ARGUMENTS,
        report=replace(REPORT, version=NEW),
    )
    return replace(healthy, **fields)


def weave_snapshot(*containers: AttachedContainer, **fields: Any) -> WeaveSnapshot:
    """Return what was saved before the upgrade."""
    healthy = WeaveSnapshot(
        run_id="20261123T051000Z",
        taken_at=NOW,
        phase=WeavePhase.PREPARED,
        boot_id=BOOT,
        script=SavedScript(path="/usr/local/bin/weave", version=OLD, sha256="old"),
        before=OLD,
        target=NEW,
        target_sha256="new",
        user="rajchaudhuri",
        runs=True,
        unit="",
        arguments=ARGUMENTS,
        report=REPORT,
        network=network(*containers),
    )
    return replace(healthy, **fields)
