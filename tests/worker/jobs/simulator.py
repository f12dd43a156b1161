"""The real jobs and the real record on disk, on a simulated machine."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from agent.core.engine_ports import EngineActs
from agent.core.job_control import JobControl, StopReason
from agent.core.manifest import NO_MANIFEST
from agent.core.model.facts import SourceError, SourceFault
from agent.core.model.outcome import Outcome
from agent.core.model.plan import Plan
from agent.core.model.scope import Scope
from agent.core.ports import RefreshResult
from agent.core.reboot.ports import RebootActs
from agent.core.weave.ports import WeaveActs
from agent.state.json_reader import JsonReader
from agent.state.record import ReadOnlyRecord, Record
from agent.state.store import STATE, Store
from agent.worker.context import JobContext
from agent.worker.jobs.check import check
from agent.worker.jobs.upgrade import upgrade
from agent.worker.steps.select import RunSelection
from tests.core import given
from tests.support.simulated import Simulated
from tests.support.simulated_hooks import SimulatedHooks
from tests.support.simulated_services import SimulatedServices
from tests.worker.steps.docker.fake_engine import Archives


class Agent:
    """The agent on one machine, with its own record."""

    def __init__(self, directory: Path) -> None:
        self.machine = Simulated()
        self.store = Store(str(directory))
        self.policy = given.policy()
        self.manifest = NO_MANIFEST
        self.stop: StopReason = lambda: ""
        self.progress: list[str] = []
        self.reboot_acts: RebootActs | None = None
        self.services = SimulatedServices(self.machine)
        self.hooks = SimulatedHooks()

    @property
    def context(self) -> JobContext:
        return JobContext(
            policy=self.policy,
            engine=self.machine,
            machine=self.machine,
            engines=self.machine.engines,
            open_engine_packages=lambda: self.machine.engines,
            services=self.services,
            hooks=self.hooks,
            open_engine_acts=lambda: EngineActs(
                operator=self.machine.engines.operator,
                archives=Archives(self.machine.engines.operator),
                host=self.machine.engines.host,
            ),
            open_weave_acts=lambda: WeaveActs(
                router=self.machine.engines.weave_fake, files=self.machine.engines.weave_files
            ),
            open_reboot_acts=self._reboot_acts,
            manifest=self.manifest,
            record=Record(self.store),
            control=JobControl(progress=self.progress.append, stop=lambda: self.stop()),
        )

    def _reboot_acts(self) -> RebootActs:
        assert self.reboot_acts is not None, "the test has none"
        return self.reboot_acts

    def check(
        self, scope: Scope = Scope.SECURITY, *, refresh: bool = True, remember: bool = True, only: Sequence[str] = ()
    ) -> Plan:
        context = self.context if remember else replace(self.context, record=ReadOnlyRecord(self.store))
        return check(context, scope, refresh=refresh, remember=remember, requested=only)

    def upgrade(
        self,
        scope: Scope = Scope.SECURITY,
        *,
        refresh: bool = True,
        plan_id: str | None = None,
        only: Sequence[str] = (),
    ) -> Outcome:
        context = self.context
        context = replace(context, run_id=context.record.new_run_id(self.machine.now()))
        return upgrade(context, scope, RunSelection(context, plan_id, only), refresh=refresh)

    def verified(self, **ago: float) -> None:
        """Record that the lists were verified some time ago."""
        now = self.machine.now()
        Record(self.store).save_refresh(RefreshResult(verified_at=now - timedelta(**ago)), now)

    def last_run(self, *, back: int = 0) -> JsonReader:
        """Return the newest run's document, or that of the given number of runs before."""
        run = self.store.read_run(self.store.run_ids()[back])
        assert run is not None
        return run

    def last_plan(self) -> JsonReader:
        state = self.store.read(STATE, "maestro.state/1")
        assert state is not None
        return state.child("plan")


def names(items: Any) -> list[str]:
    return [str(item.package) for item in items]


def failing(source: str, *, security: bool) -> SourceError:
    return SourceError(source=source, fault=SourceFault.UNREACHABLE, detail="no route to host", security=security)


def raising(error: BaseException) -> Callable[[], None]:
    def fail() -> None:
        raise error

    return fail
