"""A container's address on Weave's network, as proc(5) shows it."""

from pathlib import Path

from agent.host.docker.weave_address import weave_address, weave_interface

ROUTE = """Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t010011AC\t0003\t0\t0\t0\t00000000\t0\t0\t0
eth0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
ethwe\t0000200A\t00000000\t0001\t0\t0\t0\t0000F0FF\t0\t0\t0
ethwe\t000000E0\t00000000\t0001\t0\t0\t0\t000000F0\t0\t0\t0
"""
TRIE = """Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 10.32.0.0/12 2 0 2
        |-- 10.32.0.0
           /12 link UNICAST
        |-- 10.32.0.7
           /32 host LOCAL
     |-- 127.0.0.1
        /32 host LOCAL
     |-- 172.17.0.3
        /32 host LOCAL
"""


def given(root: Path, route: str = ROUTE) -> str:
    (root / "7/net").mkdir(parents=True)
    (root / "7/net/route").write_text(route)
    (root / "7/net/fib_trie").write_text(TRIE)
    return str(root)


def test_the_address_of_weaves_interface_is_found(tmp_path: Path) -> None:
    assert weave_address(7, given(tmp_path)) == "10.32.0.7"
    assert weave_interface(7, str(tmp_path)) == "10.32.0.7/12"


def test_without_that_interface_there_is_none(tmp_path: Path) -> None:
    assert weave_address(7, given(tmp_path, ROUTE.replace("ethwe", "eth1"))) == ""


def test_a_process_that_has_ended_has_none(tmp_path: Path) -> None:
    assert weave_address(7, str(tmp_path)) == ""
