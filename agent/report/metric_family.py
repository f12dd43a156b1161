"""One metric: its name, help text and values. Pure."""

from agent.core.frozen import frozen
from agent.report.metric_values import Extractor

_SUFFIX = {"s": "_seconds", "By": "_bytes"}


@frozen
class MetricFamily:
    """A metric with its name, and one point per label set."""

    name: str
    """In OpenTelemetry's notation, with dots."""
    help: str
    """One sentence without a full stop."""
    points: Extractor
    unit: str = ""
    """A UCUM unit: "s" (a Unix time or a duration), "By", or an annotation in braces, which is dimensionless."""
    counter: bool = False
    """Whether it is monotonic."""
    info: bool = False
    """Whether it is always 1 and carries labels only; OpenTelemetry has these as resource attributes."""

    @property
    def prometheus_name(self) -> str:
        """The name that OpenTelemetry's translation to Prometheus gives it."""
        return self.name.replace(".", "_") + _SUFFIX.get(self.unit, "") + ("_total" if self.counter else "")
