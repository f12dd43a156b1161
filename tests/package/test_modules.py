"""The installed programs use the modules of the distribution alone, whatever the local site holds."""

import importlib
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import agent.errors
import endpoint.errors
from tests.conftest import CHECKOUT
from tests.support.repository import package
from tests.support.scenario import Scenario

PROGRAMS = ("maestro-agent", "maestro-endpoint", "worker")
FOREIGN = ("agent", "apt_pkg", "requests", "apscheduler", "psutil", "structlog", "json", "re", "systemd", "tomllib")
BREAKS = 'raise RuntimeError("a foreign module was loaded")\n'


def local_sites(host: Scenario) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield each place where Python looks for modules of the local site, and the environment that makes it look."""
    version = host.machine.check("python3 -c 'import sys; print(\"%d.%d\" % sys.version_info[:2])'").strip()
    yield f"/usr/local/lib/python{version}/dist-packages", {}
    yield "/usr/local/lib/python3/dist-packages", {}
    yield f"/root/.local/lib/python{version}/site-packages", {}
    yield "/srv/modules", {"PYTHONPATH": "/srv/modules"}
    yield "/srv/home", {"PYTHONHOME": "/srv/home"}
    yield "/srv/startup", {"PYTHONSTARTUP": "/srv/startup/json.py"}
    yield "/srv/base", {"PYTHONUSERBASE": "/srv/base"}


@pytest.mark.every_release
def test_modules_of_the_local_site_are_not_loaded(host: Scenario) -> None:
    host.offer("security", package("a", "2"))
    host.machine.check("mkdir /srv/here")
    environments: dict[str, str] = {}
    for directory, environment in local_sites(host):
        environments.update(environment)
        for name in (*FOREIGN, "sitecustomize", "usercustomize"):
            host.machine.write(f"{directory}/{name}.py", BREAKS)
        host.machine.write(f"{directory}/x.pth", f"import sys; {BREAKS.strip()}\n")
    for name in FOREIGN:
        host.machine.write(f"/srv/here/{name}.py", BREAKS)

    for command in ("status", "check --json", "upgrade --json", "config check", "history", "report"):
        variables = " ".join(f"{name}={value}" for name, value in environments.items())
        done = host.machine.run(f"cd /srv/here && env {variables} maestro-agent {command}")
        assert "foreign" not in done.stderr
        assert "Traceback" not in done.stderr
        assert done.returncode in {0, 3, 10}


def test_a_missing_module_is_named_with_its_package(host: Scenario) -> None:
    host.machine.check("rm -rf /usr/lib/python3/dist-packages/apt_pkg*.so /usr/lib/python3/dist-packages/psutil")

    done = host.machine.run("maestro-agent check")

    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert re.search(r"apt-get install --reinstall python3-(apt|psutil)`", done.stderr)


def error_of(line: str, directory: Path) -> ImportError:
    """Return what importing the library `half_unpacked` of a directory raises; its part `inner` has the line."""
    (directory / "half_unpacked").mkdir(parents=True)
    (directory / "half_unpacked/__init__.py").write_text("from half_unpacked import inner\n")
    (directory / "half_unpacked/inner.py").write_text(line)
    with pytest.MonkeyPatch.context() as path:
        path.syspath_prepend(str(directory))
        with pytest.raises(ImportError) as raised:
            importlib.import_module("half_unpacked")
    return raised.value


@pytest.mark.parametrize("missing_module", [agent.errors.missing_module, endpoint.errors.missing_module])
@pytest.mark.parametrize(
    ("line", "directory", "repair"),
    [
        ("import no_such_module", "dist-packages", "python3-no-such-module"),
        ("import no_such_module", "elsewhere", "python3-no-such-module"),
        ("import json.no_such_part", "elsewhere", "libpython3-stdlib"),
        ("raise ImportError('version conflict')", "dist-packages", "python3-half-unpacked"),
        ("raise ImportError('version conflict')", "elsewhere", None),
    ],
)
def test_only_a_package_that_is_known_is_to_be_installed_again(
    line: str, directory: str, repair: str | None, missing_module: Callable[[ImportError], str], tmp_path: Path
) -> None:
    message = missing_module(error_of(line, tmp_path / directory))

    found = re.search("`apt-get install --reinstall (.*)`", message)
    assert (found and found[1]) == repair, "`python3-` without a name would remove python3"


@pytest.mark.parametrize("name", PROGRAMS)
def test_each_program_finds_its_own_and_the_distributions_modules_only(name: str) -> None:
    text = (CHECKOUT / "bin" / name).read_text()
    paths = text.partition("\nfrom ")[0]

    shown = subprocess.run(
        [*text.partition("\n")[0].removeprefix("#!").split(), "-c", f"{paths}\nprint(sys.path)"],
        env={**os.environ, "PYTHONPATH": "/nowhere"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    assert "local" not in shown
    assert "nowhere" not in shown
    assert "/usr/lib/python3/dist-packages" in shown
