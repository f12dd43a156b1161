"""The context of a job: ports, policy, record and control, as each step gets them."""

from collections.abc import Callable

from agent.core.engine_ports import EngineActs, EngineObserver, EnginePackages
from agent.core.frozen import field, frozen
from agent.core.hooks import HookRunner
from agent.core.job_control import JobControl
from agent.core.manifest import NO_MANIFEST, Manifest
from agent.core.policy.policy import Policy
from agent.core.ports import Machine, PackageEngine
from agent.core.reboot.ports import RebootActs
from agent.core.restart.ports import ServiceControl
from agent.core.unattended_upgrades.ports import DailyJobPort, NoDailyJob
from agent.core.weave.ports import WeaveActs
from agent.state.record import Record


@frozen
class JobContext:
    """Everything that a step of a job needs."""

    policy: Policy
    engine: PackageEngine
    machine: Machine
    engines: EngineObserver
    open_engine_packages: Callable[[], EnginePackages]
    services: ServiceControl
    hooks: HookRunner
    open_engine_acts: Callable[[], EngineActs]
    open_weave_acts: Callable[[], WeaveActs]
    open_reboot_acts: Callable[[], RebootActs]
    record: Record
    control: JobControl
    manifest: Manifest = NO_MANIFEST
    machine_id: str = ""
    """Confidential: only digests of it for one purpose leave a function."""
    daily_job: DailyJobPort = field(default_factory=NoDailyJob)
    run_id: str = ""
    """Id of this run in the history; empty for a job that leaves no outcome there."""

    @property
    def engine_packages(self) -> EnginePackages:
        """The packages of Docker; loaded at their first use."""
        return self.open_engine_packages()

    @property
    def engine_acts(self) -> EngineActs:
        """What changes Docker; loaded at its first use."""
        return self.open_engine_acts()

    @property
    def weave_acts(self) -> WeaveActs:
        """What changes Weave; loaded at its first use."""
        return self.open_weave_acts()

    @property
    def reboot_acts(self) -> RebootActs:
        """What reboots this machine; loaded at its first use."""
        return self.open_reboot_acts()
