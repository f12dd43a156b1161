"""The registry of exporters: one row each. Light: `status` imports it. Policy members are named by their path.

A new exporter is one row here and one module with `create(policy) -> agent.report.exporter.Exporter`.
"""

from enum import Enum

Row = tuple[str, str, str, str, str, str, str, str, bool]


def _row(
    name: str,
    *,
    label: str,
    phrase: str,
    switch: str,
    module: str = "",
    in_daemon: str = "",
    interval: str = "",
    timeout: str = "",
    local: bool = False,
) -> Row:
    module = module or f"agent.report.{name}.exporter"
    return (name, label, phrase, module, in_daemon, switch, interval, timeout, local)


class ExporterName(Enum):
    """An exporter; the value is its name in documents, files and the hidden command `export-NAME`."""

    label: str
    """Its name at the start of a line of `status`."""
    phrase: str
    """Its name within a sentence."""
    module: str
    """The module that has its `create`; imported by name, in its own process only (`agent.cli.export`)."""
    in_daemon: str
    """The module that has its `create_in_daemon`, for what needs no process (`agent.daemon.in_daemon`); empty: none."""
    switch: str
    """The member of the policy that turns it on; the exporter is off while it is empty."""
    interval: str
    """The member of the policy that has the interval; empty: every five minutes."""
    timeout: str
    """The member of the policy that has the timeout of one request; empty: 30 s."""
    local: bool
    """Whether it stays on this machine: no server's load, so that it need not wait for a slot at first."""

    def __new__(
        cls,
        name: str,
        label: str,
        phrase: str,
        module: str,
        in_daemon: str,
        switch: str,
        interval: str,
        timeout: str,
        local: bool,  # noqa: FBT001
    ) -> "ExporterName":
        """Make a member of a row."""
        member = object.__new__(cls)
        member._value_ = name
        member.label, member.phrase, member.module, member.in_daemon = label, phrase, module, in_daemon
        member.switch, member.interval, member.timeout, member.local = switch, interval, timeout, local
        return member

    ENDPOINT = _row(
        "endpoint",
        label="Endpoint",
        phrase="the endpoint",
        in_daemon="agent.daemon.heartbeat",
        switch="endpoint.url",
        interval="endpoint.interval",
        timeout="endpoint.timeout",
    )
    PROMETHEUS = _row(
        "prometheus",
        label="Prometheus file",
        phrase="the file for Prometheus",
        in_daemon="agent.daemon.textfile",
        switch="metrics.textfile",
        local=True,
    )
    OTLP = _row("otlp", label="OTLP", phrase="the OpenTelemetry collector", switch="otlp.url", timeout="otlp.timeout")
