"""Tables of figures, and the aims that they are held against."""

from dataclasses import dataclass, field
from statistics import median


@dataclass(frozen=True, kw_only=True)
class Figure:
    """What one command took: wall and processor seconds of every round, largest memory in KiB (0: not taken)."""

    command: str
    seconds: tuple[float, ...]
    cpu: tuple[float, ...]
    rss_kib: int = 0

    @property
    def median_s(self) -> float:
        """The middle of the rounds."""
        return median(self.seconds)

    @property
    def p95_s(self) -> float:
        """The 95th percentile of the rounds."""
        return sorted(self.seconds)[int(len(self.seconds) * 0.95)]


@dataclass(kw_only=True)
class Aims:
    """What was aimed at and what came of it, told at once and again at the end."""

    told: list[str] = field(default_factory=list)
    where: str = ""

    def at_most(self, what: str, value: float, limit: float, unit: str = "") -> None:
        """Hold a value against an upper limit."""
        self._tell(f"{what} is {value:.2f}{unit}; the aim is at most {limit:g}{unit}", met=value <= limit)

    def at_least(self, what: str, value: float, limit: float) -> None:
        """Hold a value against a lower limit."""
        self._tell(f"{what} is {value:.2f}; the aim is at least {limit:g}", met=value >= limit)

    def holds(self, what: str, *, met: bool) -> None:
        """Hold a plain statement to be true."""
        self._tell(what, met=met)

    def _tell(self, words: str, *, met: bool) -> None:
        line = f"{words}: {'met' if met else 'MISSED'}"
        print(line, flush=True)
        self.told.append(f"{self.where}: {line}")


def show(title: str, figures: list[Figure]) -> None:
    """Print a table; the first figure is the floor that the ratios are of: of wall time, and of processor time."""
    floor = figures[0].median_s
    print(f"\n{title}")
    print(f"{'median':>10} {'p95':>10} {'memory':>9} {'ratio':>7} {'of cpu':>7}  command")
    for figure in figures:
        memory = f"{figure.rss_kib / 1024:6.1f} MB" if figure.rss_kib else f"{'-':>9}"
        words = f"{figure.median_s * 1000:7.1f} ms {figure.p95_s * 1000:7.1f} ms {memory}"
        cpu = median(figure.cpu) / median(figures[0].cpu)
        print(f"{words} {figure.median_s / floor:7.2f} {cpu:7.2f}  {figure.command[:90]}", flush=True)


def ratio(ours: Figure, floor: Figure) -> float:
    """Return how many times the floor's median ours is."""
    return ours.median_s / floor.median_s
