"""Whether systemd starts the daemon, as `systemctl is-enabled` has it, from the unit's files."""

import shutil
import subprocess
from pathlib import Path

import pytest

from agent.host.unit_file import UNIT, UnitState, masked_worker_unit, unit_state

ETC, RUN, LIB = "etc/systemd/system", "run/systemd/system", "usr/lib/systemd/system"
INSTALLED = {f"{LIB}/{UNIT}": "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n"}
WANTED = f"{ETC}/multi-user.target.wants/{UNIT}"
LINK = f"-> /{LIB}/{UNIT}"
MASK = "-> /dev/null"


def put(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if text.startswith("-> "):
            path.symlink_to(text[3:])
        else:
            path.write_text(text)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, UnitState.ABSENT),
        ({WANTED: LINK}, UnitState.ABSENT),  # removed, not purged
        (INSTALLED, UnitState.DISABLED),
        ({**INSTALLED, WANTED: LINK}, UnitState.ENABLED),
        ({**INSTALLED, f"{ETC}/graphical.target.requires/{UNIT}": LINK}, UnitState.ENABLED),
        ({**INSTALLED, f"{ETC}/basic.target.upholds/{UNIT}": LINK}, UnitState.ENABLED),
        ({**INSTALLED, f"{RUN}/multi-user.target.wants/{UNIT}": LINK}, UnitState.ENABLED),
        ({**INSTALLED, f"{LIB}/multi-user.target.wants/{UNIT}": f"-> ../{UNIT}"}, UnitState.ENABLED),
        ({**INSTALLED, WANTED: MASK}, UnitState.DISABLED),
        ({**INSTALLED, f"{ETC}/{UNIT}": MASK}, UnitState.MASKED),
        ({**INSTALLED, f"{ETC}/{UNIT}": MASK, WANTED: LINK}, UnitState.MASKED),
        ({**INSTALLED, f"{ETC}/{UNIT}": "-> ../../../dev/null"}, UnitState.MASKED),
        ({**INSTALLED, f"{ETC}/{UNIT}": ""}, UnitState.MASKED),
        ({**INSTALLED, f"{RUN}/{UNIT}": MASK, WANTED: LINK}, UnitState.MASKED),  # --runtime
        ({**INSTALLED, f"{ETC}/{UNIT}": INSTALLED[f"{LIB}/{UNIT}"], f"{RUN}/{UNIT}": MASK, WANTED: LINK},
         UnitState.ENABLED),  # the administrator's own unit file outranks a mask below /run
        ({f"lib/systemd/system/{UNIT}": INSTALLED[f"{LIB}/{UNIT}"], WANTED: f"-> /lib/systemd/system/{UNIT}"},
         UnitState.ENABLED),  # before /usr was merged
        ({**INSTALLED, f"{ETC}/{UNIT}.d/override.conf": "[Service]\n"}, UnitState.DISABLED),
    ],
)  # fmt: skip
def test_the_state_of_the_unit(tmp_path: Path, files: dict[str, str], expected: UnitState) -> None:
    put(tmp_path, files)

    assert unit_state(str(tmp_path)) is expected


@pytest.mark.parametrize("unit", ["maestro-agent-worker.socket", "maestro-agent-worker@.service"])
def test_a_masked_unit_of_the_worker_is_found(tmp_path: Path, unit: str) -> None:
    put(tmp_path, {f"{LIB}/{unit}": "[Unit]\n"})
    before = masked_worker_unit(str(tmp_path))
    put(tmp_path, {f"{ETC}/{unit}": MASK})

    assert (before, masked_worker_unit(str(tmp_path))) == ("", unit)


@pytest.mark.skipif(not shutil.which("systemctl"), reason="no systemctl")
@pytest.mark.parametrize("change", ["enable", "disable", "mask", "unmask", "mask --runtime"])
def test_what_systemctl_does_is_read(tmp_path: Path, change: str) -> None:
    put(tmp_path, {**INSTALLED, **({f"{ETC}/{UNIT}": MASK} if change == "unmask" else {})})

    subprocess.run(["systemctl", f"--root={tmp_path}", *change.split(), UNIT], check=True, capture_output=True)

    asked = subprocess.run(
        ["systemctl", f"--root={tmp_path}", "is-enabled", UNIT], check=False, capture_output=True, text=True
    )
    assert unit_state(str(tmp_path)).value == asked.stdout.strip().removesuffix("-runtime")
