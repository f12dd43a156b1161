"""Whether a measured time is within its forecast.

A forecast is for a machine that has its processors to itself. In a run of all tests several machines share two of them,
so that the upper limit is three times as high; `make forecast` measures without that.
"""

import os
from collections.abc import Sequence

_SLACK = 1 if "MAESTRO_FORECAST_ROUNDS" in os.environ else 3


def within(measured_s: float, expected_s: Sequence[float]) -> bool:
    """Return whether seconds are within the range of a forecast."""
    low, high = expected_s
    return low <= measured_s <= high * _SLACK
