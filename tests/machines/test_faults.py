"""The next run recovers from a power cut in the middle of an upgrade. `make faults` tries many more points."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support import bases, crash_checks, faults
from tests.support.repository import Signer

pytestmark = pytest.mark.xdist_group("faults")
AIMED = (
    "record-written-1",  # the run puts itself on record
    "archive-in-place-30",  # it downloads
    "files-in-place-150",  # dpkg unpacks a package of 300 files
    "status-written-2",  # dpkg replaces its database
    "script-fault-base.postinst.2",  # a package that others pre-depend on is configured
    "conffile-in-place-3",  # conffiles are renewed
)


@pytest.fixture(scope="module")
def ground(agent_layer: Path, signer: Signer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[faults.Ground]:
    scratch = tmp_path_factory.mktemp("faults")
    with faults.ground(bases.codenames()[0], agent_layer, signer, scratch) as made:
        yield made


def test_one_more_run_recovers_from_a_power_cut_at_any_point(ground: faults.Ground) -> None:
    aimed = [point for point in faults.aimed_points() if point.name in AIMED]
    points = [*faults.timed_points(4), *aimed]

    with ThreadPoolExecutor(2) as pool:
        verdicts = list(pool.map(lambda point: faults.run_point(ground, point), points))

    assert len(points) == 10
    assert {verdict.point.name: verdict.problems for verdict in verdicts if verdict.problems} == {}
    assert sum(verdict.unfinished > 0 for verdict in verdicts) >= 3, "too few cuts fell into dpkg's work"


def test_the_comparison_detects_what_was_not_repaired(ground: faults.Ground) -> None:
    spoil = """
    apt-mark manual fault-new
    rm /usr/share/faults/fault-big-0/100
    echo theirs >/etc/fault-conf-1/changing-0.conf
    touch /etc/fault-conf-0/same.conf.dpkg-new
    touch /var/cache/apt/archives/fault-new_2_all.deb
    touch /var/lib/maestro-agent/state.json.new-1
    dpkg --unpack /srv/security/pool/fault-epoch_1%3a2_all.deb
    """

    assert ground.after is not None
    with ground.start(over_http=False) as running:
        running.check("maestro-agent upgrade")
        good = crash_checks.of_machine(running, ground.after)
        running.check(spoil)
        bad = "\n".join(crash_checks.of_machine(running, ground.after))

    assert good == []
    for word in (
        "fault-epoch is install ok unpacked 1:2",
        "dpkg --audit: The following packages",
        "/var/lib/apt/extended_states is a file",
        "/usr/share/faults/fault-big-0/100 is not there",
        "/etc/fault-conf-1/changing-0.conf is a file",
        "/etc/fault-conf-0/same.conf.dpkg-new is a file",
        "/var/cache/apt/archives/fault-new_2_all.deb is a file",
        "left behind: /var/lib/maestro-agent/state.json.new-1",
        "check afterwards: exit 10",
    ):
        assert word in bad
