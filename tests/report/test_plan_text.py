"""A plan that is made while a job is running."""

from agent.core.model.facts import Repair
from agent.report.plan_text import plan_lines
from agent.report.text import others_text
from agent.state.documents.plan import plan_to_document
from agent.state.json_reader import JsonReader
from agent.state.views import PlanView
from tests.core import given


def test_unfinished_packages_are_called_broken_only_while_no_job_is_at_work_on_them() -> None:
    plan = given.plan(install=(given.step("nginx"),), repair=(Repair(package="x", architecture="amd64", state="half"),))
    view = PlanView(JsonReader(plan_to_document(plan, given.NOW), "plan"))

    idle, working = "\n".join(plan_lines(view)), "\n".join(plan_lines(view, working=True))

    assert "broken" in idle
    assert "--plan" in idle
    assert "x (half)" in working
    assert "broken" not in working
    assert "maestro-agent upgrade" not in working


def test_only_what_no_gate_holds_is_promised_of_an_upgrade_of_everything() -> None:
    some, none = others_text(3, 1), others_text(3, 3)

    assert "installs 2, 1 held" in some
    assert "installs" not in none
    assert "--dry-run" in none


def test_a_plan_of_an_earlier_version_does_not_say_how_many_others_are_held() -> None:
    document = plan_to_document(given.plan(other_updates=2), given.NOW)
    del document["other_held"]

    assert PlanView(JsonReader(document, "plan")).other_held == 0
