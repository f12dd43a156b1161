"""What of a report is a number, and under which name it goes to whoever watches numbers. Pure: document to values.

One table for the text of Prometheus (`agent.report.prometheus.exposition`) and for OpenTelemetry
(`agent.report.otlp.encode`), so that a number has one name and one meaning; docs/metrics.md says both, and a test
compares them. What is unknown is left out: a 0 would say that all is well. Labels come from lists that this program or
the machine's set-up bounds, never from names of packages or of CVEs.
"""

from dataclasses import dataclass

from agent.core.model.facts import ListsState
from agent.core.model.outcome import Result
from agent.report.metric_values import (
    Document,
    Labels,
    Number,
    Reading,
    as_number,
    by_job,
    flag,
    held_reasons,
    info,
    known_cves,
    length,
    moment,
    number,
    pending,
    seconds,
    states,
)

_HEALTH = ("healthy", "attention", "unknown")
_SUFFIX = {"s": "_seconds", "By": "_bytes"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One number with its name, or several that differ in a label."""

    name: str
    """In OpenTelemetry's manner, with dots."""
    what: str
    """One sentence without its full stop."""
    points: Reading
    unit: str = ""
    """In UCUM's spelling: "s" (a Unix time or a duration), "By", or a word in braces, which is none."""
    counter: bool = False
    """Whether it only rises."""
    info: bool = False
    """Whether it is always 1 and its labels are what it says; of OpenTelemetry's resources that is a part already."""

    @property
    def prometheus_name(self) -> str:
        """The name as OpenTelemetry's own translation to Prometheus makes it."""
        return self.name.replace(".", "_") + _SUFFIX.get(self.unit, "") + ("_total" if self.counter else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A family and what is known of it: at least one point."""

    family: Family
    points: tuple[tuple[Labels, Number], ...]


def figures(report: Document) -> tuple[Figure, ...]:
    """Return all that is known, in the table's order."""
    found = (Figure(family=family, points=tuple(family.points(report))) for family in FAMILIES)
    return tuple(figure for figure in found if figure.points)


FAMILIES: tuple[Family, ...] = (
    Family(
        name="maestro.agent.build_info",
        info=True,
        what="Always 1; the label is the agent's version",
        points=info(version=("agent", "version")),
    ),
    Family(
        name="maestro.host_info",
        info=True,
        what="Always 1; the labels say which machine this is",
        points=info(
            host_id=("host", "id"),
            os=("host", "os", "id"),
            os_version=("host", "os", "version"),
            os_codename=("host", "os", "codename"),
            architecture=("host", "architecture"),
        ),
    ),
    Family(
        name="maestro.kernel_info",
        info=True,
        what="Always 1; the labels are the running kernel and the newest that is installed",
        points=info(running=("kernel", "running"), newest=("kernel", "newest")),
    ),
    Family(
        name="maestro.report.timestamp",
        unit="s",
        what="When these numbers were put together",
        points=moment("generated_at"),
    ),
    Family(
        name="maestro.agent.start_timestamp",
        unit="s",
        what="When the daemon started; missing without a daemon",
        points=moment("agent", "started_at"),
    ),
    Family(name="maestro.boot_timestamp", unit="s", what="When the machine booted", points=moment("host", "booted_at")),
    Family(
        name="maestro.health",
        what="1 for the state the machine is in, else 0",
        points=states("state", _HEALTH, "health"),
    ),
    Family(
        name="maestro.warnings", unit="{warning}", what="How many warnings the report holds", points=length("warnings")
    ),
    Family(
        name="maestro.lists.state",
        what="1 for how far the package lists can be believed, else 0",
        points=states("state", tuple(state.value for state in ListsState), "lists", "state"),
    ),
    Family(
        name="maestro.lists.timestamp",
        unit="s",
        what="When the package lists were last verified",
        points=moment("lists", "updated_at"),
    ),
    Family(
        name="maestro.lists.errors",
        unit="{source}",
        what="How many package sources cannot be believed to be current",
        points=length("lists", "errors"),
    ),
    Family(
        name="maestro.updates.seen_timestamp",
        unit="s",
        what="When the machine was last looked at",
        points=moment("updates", "seen_at"),
    ),
    Family(
        name="maestro.updates.pending",
        unit="{update}",
        what="How many updates wait and are not held back",
        points=pending,
    ),
    Family(
        name="maestro.updates.held",
        unit="{update}",
        what="How many wanted updates are held back",
        points=number("updates", "held"),
    ),
    Family(
        name="maestro.updates.held_reasons",
        unit="{update}",
        what="How many wanted updates are held back for this reason",
        points=held_reasons,
    ),
    Family(
        name="maestro.updates.hidden_security",
        unit="{update}",
        what="How many updates fix a CVE though their origin does not call them security updates",
        points=number("updates", "hidden_security"),
    ),
    Family(
        name="maestro.updates.known_cves",
        unit="{cve}",
        what="How many CVEs the waiting updates, held ones included, are known to fix",
        points=known_cves,
    ),
    Family(
        name="maestro.packages.to_repair",
        unit="{package}",
        what="How many packages dpkg left unfinished",
        points=length("updates", "repair"),
    ),
    Family(
        name="maestro.last_run.result",
        what="1 for what came of the last run, else 0",
        points=states("result", tuple(result.value for result in Result), "last_outcome", "result"),
    ),
    Family(
        name="maestro.last_run.start_timestamp",
        unit="s",
        what="When the last run began",
        points=moment("last_outcome", "started_at"),
    ),
    Family(
        name="maestro.last_run.finish_timestamp",
        unit="s",
        what="When the last run ended; missing where it did not",
        points=moment("last_outcome", "finished_at"),
    ),
    Family(
        name="maestro.last_run.upgraded",
        unit="{package}",
        what="How many packages the last run upgraded or installed anew",
        points=number("last_outcome", "upgraded"),
    ),
    Family(
        name="maestro.last_run.failed",
        unit="{package}",
        what="How many packages failed in the last run",
        points=length("last_outcome", "failed"),
    ),
    Family(
        name="maestro.reboot.required", what="Whether a reboot is required: 1 or 0", points=flag("reboot", "required")
    ),
    Family(
        name="maestro.reboot.required_since_timestamp",
        unit="s",
        what="Since when a reboot is required; missing where none is",
        points=moment("reboot", "since"),
    ),
    Family(
        name="maestro.reboot.packages",
        unit="{package}",
        what="How many packages ask for a reboot",
        points=length("reboot", "packages"),
    ),
    Family(
        name="maestro.kernel.outdated",
        what="Whether a newer kernel is installed than the one that runs: 1 or 0",
        points=flag("kernel", "outdated"),
    ),
    Family(
        name="maestro.services.need_restart",
        unit="{unit}",
        what="How many units still run files that were deleted; missing where that is not known",
        points=length("services", "deleted_files"),
    ),
    Family(
        name="maestro.job.last_start_timestamp",
        unit="s",
        what="When the daemon last began this job",
        points=by_job(seconds, "last_started_at"),
    ),
    Family(
        name="maestro.job.last_finish_timestamp",
        unit="s",
        what="When this job last ended, well or not",
        points=by_job(seconds, "last_finished_at"),
    ),
    Family(
        name="maestro.job.last_exit_code",
        what="How this job last ended: exit codes as of the commands",
        points=by_job(as_number, "last_exit_code"),
    ),
    Family(
        name="maestro.job.consecutive_failures",
        unit="{failure}",
        what="How often in a row this job has failed",
        points=by_job(as_number, "consecutive_failures"),
    ),
    Family(
        name="maestro.job.next_timestamp", unit="s", what="When this job is due next", points=by_job(seconds, "next_at")
    ),
    Family(
        name="maestro.outbox.messages",
        unit="{message}",
        what="How many events wait to be told to the centre",
        points=number("outbox", "depth"),
    ),
    Family(
        name="maestro.outbox.size", unit="By", what="What the waiting events take", points=number("outbox", "bytes")
    ),
    Family(
        name="maestro.outbox.oldest_timestamp",
        unit="s",
        what="From when the oldest waiting event is; missing where none waits",
        points=moment("outbox", "oldest_at"),
    ),
    Family(
        name="maestro.outbox.dropped",
        unit="{message}",
        counter=True,
        what="How many events were given up because the outbox was full or they were too old",
        points=number("outbox", "dropped"),
    ),
    Family(
        name="maestro.outbox.refused",
        unit="{message}",
        counter=True,
        what="How many messages the centre refused for good",
        points=number("outbox", "refused"),
    ),
)
"""Everything that is told as a number."""
