"""Rate limit per host: a token bucket. Pure: `now` is an argument."""

from collections import OrderedDict

_MAX_HOSTS = 100_000


class RateLimiter:
    """One bucket per host; the least recently used are dropped, because they are full again."""

    def __init__(self, *, per_minute: int, burst: int) -> None:
        self._per_second = per_minute / 60
        self._burst = float(burst)
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait_s(self, host: str, now_s: float) -> float:
        """Take one token and return 0, or return the seconds until there is one."""
        left, since = self._buckets.pop(host, (self._burst, now_s))
        left = min(self._burst, left + max(0.0, now_s - since) * self._per_second)
        wait = 0.0 if left >= 1 else (1 - left) / self._per_second
        self._buckets[host] = (left - 1 if wait == 0 else left, now_s)
        if len(self._buckets) > _MAX_HOSTS:
            self._buckets.popitem(last=False)
        return wait
