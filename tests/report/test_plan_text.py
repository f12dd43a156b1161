"""A plan that is made while a job is running."""

from agent.core.model.facts import Repair
from agent.report.plan_text import plan_lines
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
