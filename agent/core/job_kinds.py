"""The jobs, one line each. Light: `status` imports it.

A job is one line in `JobKind` and one file in `agent/worker/jobs` with the same name, which has a function `run`. A
job that people start has a command in `agent/cli`, too.
"""

from enum import Enum

from agent.core.schemas import (
    ENGINE_OUTCOME_SCHEMA,
    ENGINE_PLAN_SCHEMA,
    EXPLAIN_SCHEMA,
    FLEET_LOCK_SCHEMA,
    OUTCOME_SCHEMA,
    PLAN_SCHEMA,
    REBOOT_OUTCOME_SCHEMA,
    REQUESTS_SCHEMA,
    RESTART_OUTCOME_SCHEMA,
    RUN_SCHEMAS,
)

_GROUPS = ("docker", "weave", "lock")
"""Commands with subcommands: `docker-plan` is the job of `docker plan`."""


class JobTrait(Enum):
    """What the rest of the agent has to know about a job."""

    NEEDS_ROOT = "needs-root"
    """Only root may run it. It holds the job lock while it runs, and its start and end are recorded in jobs.json."""
    NEEDS_ROOT_TO_REFRESH = "needs-root-to-refresh"
    """The same, but only where the request refreshes the package lists."""
    OVER_SOCKET = "over-socket"
    """The worker runs it for a request on its socket; other jobs run in the process of the command."""
    SCHEDULED = "scheduled"
    """The daemon starts it, `status` shows it and metrics count it."""
    COMPLETES = "completes"
    """It completes the outcome of an earlier run and leaves none of its own."""


class JobOption(Enum):
    """What a request asks for or allows beyond its job; a plan of Docker or Weave counts them, too."""

    DRY_RUN = "dry-run"
    """Answer with the plan; change and record nothing."""
    ALLOW_DOWNGRADE = "allow-downgrade"
    ALLOW_MAJOR_DOWNGRADE = "allow-major-downgrade"
    ALLOW_MAJOR = "allow-major"
    """Weave: to another major version."""
    REMOVE_CONTAINERS = "remove-containers"
    """Running containers with `--rm` may be removed by the restart."""
    CHANGE_HELD = "change-held"
    """Docker: change engine and client although they are on hold, and set the holds again."""
    LIVE_RESTORE = "live-restore"
    """Switch live-restore on for the restart."""
    AFTER_FAILURE = "after-failure"
    """A person has looked at the engine after an upgrade that needed attention: make a new plan from what runs now."""
    IF_REQUIRED = "if-required"
    """Reboot: only where something requires it."""
    REBOOT_IF_REQUIRED = "reboot-if-required"
    """Upgrade: reboot afterwards through the gates, where something requires it and the run was without failures."""
    DESPITE_LAST_RUN = "despite-last-run"
    """Reboot although the last upgrade failed."""
    DESPITE_SESSIONS = "despite-sessions"
    """Reboot although somebody is logged in."""
    DESPITE_SCHEDULED = "despite-scheduled"
    """Replace a reboot that somebody else has scheduled."""
    DESPITE_LOCK = "despite-lock"
    """Reboot without the fleet lock."""
    NO_REBOOT = "no-reboot"
    """Provision: leave a required restart to somebody else."""
    AGAIN = "again"
    """Provision: also a server that was provisioned."""
    FORGET_LOCK = "forget-lock"
    """Release of the fleet lock: only remove its record, for a server that does not exist any more."""


class JobKind(Enum):
    """Every job: its name, the schema of its document, its traits."""

    _value_: str
    document: str
    traits: frozenset[JobTrait]

    CHECK = "check", PLAN_SCHEMA, JobTrait.SCHEDULED, JobTrait.OVER_SOCKET, JobTrait.NEEDS_ROOT_TO_REFRESH
    UPGRADE = "upgrade", OUTCOME_SCHEMA, JobTrait.SCHEDULED, JobTrait.OVER_SOCKET, JobTrait.NEEDS_ROOT
    PROVISION = "provision", OUTCOME_SCHEMA, JobTrait.OVER_SOCKET, JobTrait.NEEDS_ROOT
    EXPLAIN = "explain", EXPLAIN_SCHEMA
    DOCKER_PLAN = "docker-plan", ENGINE_PLAN_SCHEMA
    WEAVE_PLAN = "weave-plan", ENGINE_PLAN_SCHEMA
    DOCKER_UPGRADE = "docker-upgrade", ENGINE_OUTCOME_SCHEMA, JobTrait.OVER_SOCKET, JobTrait.NEEDS_ROOT
    WEAVE_UPGRADE = "weave-upgrade", ENGINE_OUTCOME_SCHEMA, JobTrait.OVER_SOCKET, JobTrait.NEEDS_ROOT
    REBOOT = "reboot", REBOOT_OUTCOME_SCHEMA, JobTrait.OVER_SOCKET, JobTrait.NEEDS_ROOT
    VERIFY_REBOOT = (
        *("verify-reboot", REBOOT_OUTCOME_SCHEMA),
        *(JobTrait.OVER_SOCKET, JobTrait.NEEDS_ROOT, JobTrait.COMPLETES),
    )
    RESTART_SERVICES = "restart-services", RESTART_OUTCOME_SCHEMA, JobTrait.OVER_SOCKET, JobTrait.NEEDS_ROOT
    RELEASE_LOCK = "lock-release", FLEET_LOCK_SCHEMA, JobTrait.OVER_SOCKET, JobTrait.NEEDS_ROOT

    REQUEST = "request", REQUESTS_SCHEMA, JobTrait.OVER_SOCKET
    """Records a request of the endpoint, which an exporter carried here; runs nothing."""
    RUN_REQUEST = "run-request", REQUESTS_SCHEMA, JobTrait.OVER_SOCKET, JobTrait.NEEDS_ROOT

    def __new__(cls, name: str, document: str = "", *traits: JobTrait) -> "JobKind":
        """Build a member; the defaults are for the lookup by name, `JobKind("check")`, which type-checks as a call."""
        kind = object.__new__(cls)
        kind._value_ = name
        kind.document = document
        kind.traits = frozenset(traits)
        return kind

    @property
    def module(self) -> str:
        """The module that has its `run` function."""
        return f"agent.worker.jobs.{self.value.replace('-', '_')}"

    @property
    def command(self) -> str:
        """The command that runs it, without the program's name."""
        first, _, rest = str(self.value).partition("-")
        return f"{first} {rest}" if first in _GROUPS else str(self.value)

    @property
    def over_socket(self) -> bool:
        """Whether the worker accepts it over its socket."""
        return JobTrait.OVER_SOCKET in self.traits

    @property
    def in_history(self) -> bool:
        """Whether each of its runs leaves an outcome that `history` shows."""
        return self.document in RUN_SCHEMAS and JobTrait.COMPLETES not in self.traits

    def needs_root(self, *, refresh: bool) -> bool:
        """Return whether root is needed, and with it the job lock and an entry in jobs.json."""
        return JobTrait.NEEDS_ROOT in self.traits or (refresh and JobTrait.NEEDS_ROOT_TO_REFRESH in self.traits)


SCHEDULED_JOBS = tuple(kind for kind in JobKind if JobTrait.SCHEDULED in kind.traits)
RECORDED_JOBS = tuple(kind for kind in JobKind if kind.needs_root(refresh=True))
"""Jobs that have an entry in jobs.json."""
WINDOW_JOBS = {JobKind.WEAVE_UPGRADE: "weave", JobKind.DOCKER_UPGRADE: "docker"}
"""Jobs that the daemon starts in a maintenance window only, with the component that they upgrade.

Weave is first where both are due: a newer Docker may need a newer Weave, never the other way round.
"""
REBOOT_JOBS = (JobKind.REBOOT, JobKind.VERIFY_REBOOT)
"""Jobs that the daemon starts where the configuration, or a document that only root writes, asks for a reboot."""
REQUEST_JOBS = (JobKind.REQUEST, JobKind.RUN_REQUEST)
"""Jobs for requests of the endpoint: always under the accepted configuration."""
DAEMON_JOBS = (*SCHEDULED_JOBS, *WINDOW_JOBS, *REBOOT_JOBS, JobKind.RUN_REQUEST, JobKind.PROVISION)
"""Every job that the daemon may start."""
