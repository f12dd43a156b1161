"""The window gate of `explain reboot` in a process whose clock stands still in the nights in which clocks change."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import CHECKOUT

CONFIG = """
[reboot]
policy = "window"
window = "night"
[windows]
night = "Sun 02:00-04:00 Europe/Berlin"
"""


@pytest.mark.parametrize(
    ("utc", "verdict"),
    [
        # forward at 01:00 UTC, to 03:00: the window is one hour long, and a reboot needs its last eleven minutes
        ("2026-03-29 00:59:59", "shut"),
        ("2026-03-29 01:00:00", "open"),
        ("2026-03-29 01:49:00", "open"),
        ("2026-03-29 01:49:01", "shut"),
        # back at 01:00 UTC, from 03:00 to 02:00: it is three hours long
        ("2026-10-24 23:59:59", "shut"),
        ("2026-10-25 00:00:00", "open"),
        ("2026-10-25 01:30:00", "open"),
        ("2026-10-25 02:49:00", "open"),
        ("2026-10-25 02:49:01", "shut"),
    ],
)
def test_a_reboot_is_allowed_inside_and_never_outside(tmp_path: Path, utc: str, verdict: str) -> None:
    config = tmp_path / "config.toml"
    config.write_text(CONFIG)
    command = [
        sys.executable,
        "-m",
        "agent",
        "--config",
        str(config),
        "--state-dir",
        str(tmp_path),
        "explain",
        "reboot",
    ]

    done = subprocess.run(
        ["env", "TZ=UTC", "FAKETIME_DONT_FAKE_MONOTONIC=1", "faketime", "-f", utc, *command, "--json"],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    (gate,) = [one for one in json.loads(done.stdout)["gates"] if one["gate"] == "window"]
    assert (gate["verdict"], gate["why"]) == (verdict, None if verdict == "open" else "outside-window")
