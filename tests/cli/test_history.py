"""`history`: past runs, newest first, or one of them completely."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from agent.cli.main import main
from agent.core.model.outcome import Result
from agent.report.engine_reasons import block_sentence
from agent.state.record import Record
from agent.state.store import Store
from tests.core import given
from tests.report.given_engine_outcome import UPGRADED

OLD, NEW = "20261122T051000Z", "20261123T051000Z"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Return a store with two runs."""
    made = Store(str(tmp_path))
    for run_id, result in ((OLD, Result.FAILED), (NEW, Result.UPDATED)):
        run = given.outcome(id=run_id, result=result, finished_at=given.NOW, upgraded=(given.step(),))
        Record(made).save_outcome(run, given.NOW)
    return made


def history(store: Store, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Run the command; return exit code, standard output and standard error."""
    code = main(["history", "--state-dir", store.directory, *arguments])
    found = capsys.readouterr()
    return code, found.out, found.err


def test_each_run_is_one_line_newest_first(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = history(store, capsys)

    assert (code, err) == (0, "")
    assert [line.split()[0] for line in out.splitlines()] == [NEW, OLD]


def test_upgrades_of_docker_stand_among_the_runs(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    docker = replace(UPGRADED, id="20261123T060000Z")
    Record(store).save_engine_outcome(docker, given.NOW, block_sentence)

    _, out, _ = history(store, capsys)
    code, shown, _ = history(store, capsys, "last")
    _, printed, _ = history(store, capsys, docker.id, "--json")

    assert [line.split()[0] for line in out.splitlines()] == [docker.id, NEW, OLD]
    assert code == 0
    assert "26.1.5" in shown
    assert json.loads(printed)["schema"] == "maestro.engine-outcome/1"
    assert Record(store).interrupted_run() is None


def test_runs_are_one_document(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = history(store, capsys, "--json")

    document = json.loads(out)
    assert (code, document["schema"]) == (0, "maestro.history/1")
    assert [run["id"] for run in document["runs"]] == [NEW, OLD]


def test_one_run_is_shown_completely(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = history(store, capsys, OLD)

    assert code == 0
    assert out.startswith(f"Run {OLD}: FAILED")
    assert "a  1 -> 2" in out
    assert ".log" not in out


def test_one_run_is_the_document_that_upgrade_printed(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = history(store, capsys, OLD, "--json")

    document = json.loads(out)
    assert (code, document["schema"], document["id"]) == (0, "maestro.outcome/1", OLD)


def test_the_log_of_the_package_manager_is_named_if_it_exists(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    Path(store.log_path(OLD)).write_text("Setting up a (2) ...\n")

    _, out, _ = history(store, capsys, OLD)

    assert out.endswith(f"Output of the package manager: {store.log_path(OLD)}\n")


def test_the_services_that_still_ran_replaced_files_are_named(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    units = ("ssh.service", "dbus.service")
    run = given.outcome(id=NEW, result=Result.UPDATED, finished_at=given.NOW, upgraded=(given.step(),), restart=units)
    Record(store).save_outcome(run, given.NOW)

    _, out, _ = history(store, capsys, NEW)

    assert "(2 ran replaced files): ssh, dbus\n" in out
    assert "Restart" not in history(store, capsys, OLD)[1]


@pytest.mark.parametrize("run_id", ["20260101T000000Z", "../state", "", "current"])
def test_an_unknown_run_is_a_usage_error(store: Store, capsys: pytest.CaptureFixture[str], run_id: str) -> None:
    store.write("state", {"schema": "maestro.outcome/1"})

    code, out, err = history(store, capsys, run_id)

    assert (code, out) == (2, "")
    assert err == f"maestro-agent: no run {run_id!r} on record; `maestro-agent history` lists them\n"


def test_an_empty_history_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    empty = Store(str(tmp_path))

    assert history(empty, capsys) == (0, "No run on record yet.\n", "")
    assert json.loads(history(empty, capsys, "--json")[1])["runs"] == []


def test_a_damaged_run_is_an_error_and_the_others_are_shown(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    Path(store.path(f"history/{NEW}")).write_text("{")

    code, out, err = history(store, capsys)

    assert (code, len(out.splitlines())) == (0, 1)
    assert f"{NEW}.json: is damaged" in err


def test_a_malformed_run_is_an_error_and_the_others_are_shown(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    store.write_run(NEW, {"schema": "maestro.outcome/1", "id": NEW})

    code, out, err = history(store, capsys)

    assert (code, len(out.splitlines())) == (0, 1)
    assert f"{NEW}.json" in err
