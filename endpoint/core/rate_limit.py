"""How often one host may ask: a bucket that fills at a steady rate. Knows no clock; now is handed in."""

from collections import OrderedDict

_MOST_HOSTS = 100_000


class RateLimiter:
    """A bucket for each host; those not heard of for longest are forgotten, for they are full again."""

    def __init__(self, *, per_minute: int, burst: int) -> None:
        self._per_second = per_minute / 60
        self._burst = float(burst)
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait_s(self, host: str, now_s: float) -> float:
        """Take one from a host's bucket and return 0, or return how many seconds until there is one."""
        left, since = self._buckets.pop(host, (self._burst, now_s))
        left = min(self._burst, left + max(0.0, now_s - since) * self._per_second)
        wait = 0.0 if left >= 1 else (1 - left) / self._per_second
        self._buckets[host] = (left - 1 if wait == 0 else left, now_s)
        if len(self._buckets) > _MOST_HOSTS:
            self._buckets.popitem(last=False)
        return wait
