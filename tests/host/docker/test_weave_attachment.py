"""The kinds of attached containers: weave-behaviour.md 2.1."""

from pathlib import Path

import pytest

from agent.core.model.docker import WeaveAttachment
from agent.host.docker.weave_attachment import weave_attachment

HEADERS = "Inter-|   Receive  |  Transmit\n face |bytes    packets |bytes    packets\n"
PID = 77


@pytest.mark.parametrize(
    ("networks", "entrypoint", "interfaces", "expected"),
    [
        (("weave",), (), ("lo", "ethwe0"), WeaveAttachment.NETWORK),
        (("bridge",), ("/w/w",), ("lo", "eth0", "ethwe"), WeaveAttachment.PROXIED),
        (("bridge",), ("/app",), ("lo", "eth0", "ethwe"), WeaveAttachment.ATTACHED),
        (("bridge",), (), ("lo", "eth0"), WeaveAttachment.NONE),
        (("host",), (), ("lo", "eth0", "weave", "vethwe-bridge", "vethwepl1a2b"), WeaveAttachment.NONE),
        (("bridge",), (), None, WeaveAttachment.UNKNOWN),
    ],
    ids=["network", "proxied", "attached", "plain", "host", "unreadable"],
)
def test_a_running_containers_attachment_is_found_without_weave_ps(
    tmp_path: Path,
    networks: tuple[str, ...],
    entrypoint: tuple[str, ...],
    interfaces: tuple[str, ...] | None,
    expected: WeaveAttachment,
) -> None:
    if interfaces is not None:
        net = tmp_path / str(PID) / "net"
        net.mkdir(parents=True)
        (net / "dev").write_text(HEADERS + "".join(f"{name:>6}: 0 0\n" for name in interfaces))

    found = weave_attachment(networks=networks, entrypoint=entrypoint, pid=PID, proc=str(tmp_path))

    assert found is expected


@pytest.mark.parametrize("pid", [None, 0])
def test_a_stopped_container_has_lost_its_attachment(tmp_path: Path, pid: int | None) -> None:
    found = weave_attachment(networks=("bridge",), entrypoint=(), pid=pid, proc=str(tmp_path))

    assert found is WeaveAttachment.NONE


def test_this_process_is_read_from_the_real_proc() -> None:
    found = weave_attachment(networks=(), entrypoint=(), pid=1)

    assert found in {WeaveAttachment.NONE, WeaveAttachment.ATTACHED}
