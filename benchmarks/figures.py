"""Tables of figures, and the targets that they are compared with."""

from dataclasses import dataclass, field
from statistics import median


@dataclass(frozen=True, kw_only=True)
class Figure:
    """Cost of one command: wall and CPU seconds of every round, peak memory in KiB (0: not measured)."""

    command: str
    seconds: tuple[float, ...]
    cpu: tuple[float, ...]
    rss_kib: int = 0

    @property
    def median_s(self) -> float:
        """The median of the rounds."""
        return median(self.seconds)

    @property
    def p95_s(self) -> float:
        """The 95th percentile of the rounds."""
        return sorted(self.seconds)[int(len(self.seconds) * 0.95)]


@dataclass(kw_only=True)
class Aims:
    """Targets and results, printed at once and again at the end."""

    lines: list[str] = field(default_factory=list)
    where: str = ""

    def at_most(self, what: str, value: float, limit: float, unit: str = "") -> None:
        """Compare a value with an upper limit."""
        self._print(f"{what} is {value:.2f}{unit}; the target is at most {limit:g}{unit}", met=value <= limit)

    def at_least(self, what: str, value: float, limit: float) -> None:
        """Compare a value with a lower limit."""
        self._print(f"{what} is {value:.2f}; the target is at least {limit:g}", met=value >= limit)

    def holds(self, what: str, *, met: bool) -> None:
        """Record whether a statement is true."""
        self._print(what, met=met)

    def _print(self, text: str, *, met: bool) -> None:
        line = f"{text}: {'met' if met else 'MISSED'}"
        print(line, flush=True)
        self.lines.append(f"{self.where}: {line}")


def show(title: str, figures: list[Figure]) -> None:
    """Print a table; ratios of wall time and of CPU time are relative to the first figure."""
    floor = figures[0].median_s
    print(f"\n{title}")
    print(f"{'median':>10} {'p95':>10} {'memory':>9} {'ratio':>7} {'of cpu':>7}  command")
    for figure in figures:
        memory = f"{figure.rss_kib / 1024:6.1f} MB" if figure.rss_kib else f"{'-':>9}"
        times = f"{figure.median_s * 1000:7.1f} ms {figure.p95_s * 1000:7.1f} ms {memory}"
        cpu = median(figure.cpu) / median(figures[0].cpu)
        print(f"{times} {figure.median_s / floor:7.2f} {cpu:7.2f}  {figure.command[:90]}", flush=True)


def ratio(ours: Figure, floor: Figure) -> float:
    """Return the first figure's median as a multiple of the second's."""
    return ours.median_s / floor.median_s


def cpu_ratio(ours: Figure, floor: Figure) -> float:
    """Return the median over the rounds of processor time, the first figure's as a multiple of the second's.

    For commands that wait for nothing: other load stretches their wall time, and processor time hardly.
    """
    return median(one / other for one, other in zip(ours.cpu, floor.cpu, strict=True))
