"""Every form of a source, of its index and of its faults: what `apt-get update` ends with is what the agent reports.

The rules, with apt as the reference (see verdict.py): never more alarmed than apt where apt is content, never content
without the security source's lists, the source that apt blames is the source that is named, and with its reason.
A new form is one line in forms.py, indexes.py or faults.py; or one in unusual.py or rare.py, and a row.
Rows that are known to fail stand in known.txt.
"""

import contextlib
import functools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.sources.bench import Bench
from tests.sources.inputs import INPUTS
from tests.sources.inputs_rare import RARE_INPUTS
from tests.sources.rows import Row, long_table, short_table
from tests.sources.server import serving
from tests.sources.unusual import ALL_FAULTS, ALL_FORMS, ALL_INDEXES
from tests.sources.verdict import BESIDE, Expected, broken_rules, verdict_of
from tests.support import bases
from tests.support.machine import Machine, machine
from tests.support.repository import Signer
from tests.support.scenario import Scenario

KNOWN = dict(
    line.split("\t", 1) for line in (Path(__file__).parent / "known.txt").read_text().splitlines() if "\t" in line
)
"""Reason by release and row."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run the short table on the first release, some of it on the others, the long one everywhere if thorough."""
    if "row" not in metafunc.fixturenames:
        return
    cases = []
    for number, codename in enumerate(bases.codenames()):
        further = [row for kinds in (INPUTS, RARE_INPUTS) for rows in kinds.values() for row in rows]
        if bases.thorough():
            rows = [*long_table(), *further]
        else:
            rows = [*short_table(), *further[::20]] if number == 0 else [*short_table()[::13], *further[3::50]]
        for row in dict.fromkeys(rows):
            key = f"{codename}+{row}"
            marks = [pytest.mark.xfail(strict=True, reason=KNOWN[key])] if key in KNOWN else []
            cases.append(pytest.param(codename, row, id=key, marks=marks))
    metafunc.parametrize(("release", "row"), cases)


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Signer]:
    """Return a key that no source names."""
    made = Signer(tmp_path_factory.mktemp("stranger") / "gnupg")
    yield made
    made.close()


@pytest.fixture(scope="module")
def machines(agent_layer: Path, signer: Signer) -> Iterator[Callable[[str], Machine]]:
    """Return each release's machine, the same for all rows."""
    with contextlib.ExitStack() as stack:

        @functools.cache
        def machine_of(codename: str) -> Machine:
            running = stack.enter_context(machine(agent_layer, bases.base(codename)))
            Scenario.without_sources(running, signer, codename)
            running.check("rm -f /etc/resolv.conf; echo nameserver 127.0.0.1 > /etc/resolv.conf")
            return running

        yield machine_of


def test_the_agent_agrees_with_apt(
    release: str, row: Row, machines: Callable[[str], Machine], signer: Signer, stranger: Signer
) -> None:
    form, index, fault = ALL_FORMS[row.form], ALL_INDEXES[row.index], ALL_FAULTS[row.fault]
    running = machines(release)
    with serving(running.path("/srv")) as server:
        bench = Bench(
            machine=running,
            server=server,
            signer=signer,
            stranger=stranger,
            codename=release,
            form=form,
            index=index,
            security=row.security,
        )
        bench.prepare()
        if row.later:
            bench.fetch()
        fault.cause(bench)
        seen = bench.observe()
    tested = tuple(tuple(part.format(dist=bench.dist) for part in entry) for entry in form.entries)
    security = tested if row.security else (BESIDE,)
    verdict = verdict_of(seen, (*tested, BESIDE), security=security, empty=index.empty and row.security)

    expected = Expected(
        entries=(*tested, BESIDE),
        codes=fault.codes if index.sound else frozenset(),
        sign=fault.sign,
        reason=index.reason,
    )
    broken = broken_rules(seen, verdict, expected)

    assert broken == [], (
        f"{'; '.join(broken)}\n{verdict}\n{seen.apt.out}{seen.apt.err}\n{seen.agent.out[:3000]}{seen.agent.err}"
    )
