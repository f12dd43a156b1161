"""A read-only view of `maestro.jobs/1` for `status` and reports. Light, as `agent.state.views`."""

from collections.abc import Mapping

from agent.state.json_reader import JsonReader

JOB_NAMES = ("check", "upgrade")
"""Those of `agent.core.job_kinds.SCHEDULED_JOBS`, which is not light."""


class JobView:
    """One kind of job in `maestro.jobs/1`."""

    def __init__(self, entry: JsonReader) -> None:
        self.started_at = entry.optional_text("started_at")
        self.finished_at = entry.optional_text("finished_at")
        self.exit_code = None if entry.raw.get("exit_code") is None else int(entry.number("exit_code"))
        self.failures = int(entry.number("failures"))


def job_views(document: JsonReader) -> Mapping[str, JobView]:
    """Return the jobs of `maestro.jobs/1` by name.

    Raises:
        RecordError: the document is malformed.
    """
    jobs = document.child("jobs")
    return {name: JobView(entry) for name in JOB_NAMES if (entry := jobs.optional_child(name)) is not None}
