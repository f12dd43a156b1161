"""`/deployments`: what was deployed, host by host, and how to stop it or go on with it."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from flask import Response, request

from endpoint.core.deploy.texts import left_out_text, verb_text, why_text
from endpoint.core.deployment_phase import phase_of
from endpoint.core.deployment_report import DeploymentRecord
from endpoint.core.deployments import ENDED, IN_FLIGHT, DeploymentStatus, RequestStatus
from endpoint.core.people import Right
from endpoint.core.whole_number import whole_number
from endpoint.errors import RefusedError
from endpoint.http.deploy_desk import DeployDesk
from endpoint.http.pages.deploy_looks import phase_look, request_look
from endpoint.http.pages.site import PageContext, PageRoute
from endpoint.store.deployment_pages import PAGE, DeploymentView, may_resume

_MOST_OFFSET = 1_000_000
_SHORT_ID = 8


class DeploymentsPages:
    """The list, and one deployment."""

    def __init__(self, context: PageContext) -> None:
        self._site = context.site
        self._gate = context.gate
        self._desk = DeployDesk(context.config, context.database, context.fleet)

    def routes(self) -> Sequence[PageRoute]:
        """Return the addresses."""
        one = "/deployments/<deployment>"
        return (
            PageRoute(path="/deployments", endpoint="deployments", handler=self.list),
            PageRoute(path=one, endpoint="deployment", handler=self.show),
            PageRoute(path=one, endpoint="deployment-change", handler=self.change, methods=("POST",)),
        )

    def list(self) -> Response:
        """Return the deployments, the latest first."""
        person = self._gate.person()
        offset = _number("from", 0)
        found, total = self._desk.list(person, offset)
        rows = [(record, _phase(record, counts), counts, _title(record)) for record, counts in found]
        return self._site.render(
            "deployments.html",
            rows=rows,
            total=total,
            previous=f"/deployments?from={max(0, offset - PAGE)}" if offset else None,
            next=f"/deployments?from={offset + PAGE}" if offset + len(found) < total else None,
            may_deploy=person.may(Right.DEPLOY),
            counts_of=_counts_text,
            phase_look=phase_look,
        )

    def show(self, deployment: str) -> Response:
        """Return one deployment; `status` limits the hosts, `after` continues them."""
        person = self._gate.person()
        status, after = _status(), _number("after", -1)
        view = self._desk.view(deployment, person, status=status, after=after)
        more = f"status={status.value}&" if status is not None else ""
        return self._site.render(
            "deployment.html",
            **self._facts(view),
            chosen=status.value if status is not None else "",
            may_cancel=person.may(Right.DEPLOY),
            may_resume=may_resume(view, person),
            first=f"/deployments/{deployment}?{more}".rstrip("?&") if after >= 0 else None,
            next=f"/deployments/{deployment}?{more}after={view.next_position}"
            if view.next_position is not None
            else None,
        )

    def change(self, deployment: str) -> Response:
        """Cancel or resume, and show the deployment again."""
        person = self._gate.person(Right.DEPLOY)
        self._gate.check_form()
        do, lost = request.form.get("do", ""), request.form.get("lost") == "yes"
        if do == "cancel":
            self._desk.cancel(deployment, person, request=request.form.get("request") or None, lost=lost)
        elif do == "resume":
            self._desk.resume(deployment, person)
        else:
            raise RefusedError(400, "do: must be cancel or resume")
        return Response(status=303, headers={"Location": f"/deployments/{deployment}"})

    @staticmethod
    def _facts(view: DeploymentView) -> Mapping[str, Any]:
        record, counts = view.record, view.counts
        total = sum(counts.values())
        ended = sum(count for status, count in counts.items() if status in ENDED)
        return {
            "view": view,
            "record": record,
            "short": record.id[:_SHORT_ID],
            "phase": _phase(record, counts),
            "steps": [verb_text(step.verb, step.arguments) for step in record.all_steps],
            "total": total,
            "ended": ended,
            "in_flight": sum(count for status, count in counts.items() if status in IN_FLIGHT),
            "shown_counts": [(status.value, counts[status]) for status in RequestStatus if counts.get(status)],
            "waiting": counts.get(RequestStatus.WAITING_SIGNATURE, 0),
            "is_stopped": record.status is DeploymentStatus.STOPPED and ended < total,
            "is_expired": record.expires_s <= datetime.now(timezone.utc).timestamp(),
            "unended": frozenset(status.value for status in RequestStatus if status not in ENDED),
            "phase_look": phase_look,
            "request_look": request_look,
            "why_text": why_text,
            "left_out_text": left_out_text,
        }


def _phase(record: DeploymentRecord, counts: Mapping[RequestStatus, int]) -> str:
    return phase_of(record.status, counts).value


def _title(record: DeploymentRecord) -> str:
    return "; ".join(verb_text(step.verb, step.arguments) for step in record.all_steps)


def _counts_text(counts: Mapping[RequestStatus, int]) -> str:
    return ", ".join(f"{counts[status]} {status.value}" for status in RequestStatus if counts.get(status))


def _status() -> RequestStatus | None:
    text = request.args.get("status")
    try:
        return RequestStatus(text) if text else None
    except ValueError:
        known = ", ".join(status.value for status in RequestStatus)
        raise RefusedError(400, f"status: must be one of {known}") from None


def _number(name: str, default: int) -> int:
    text = request.args.get(name, "")
    if not text:
        return default
    found = whole_number(text, _MOST_OFFSET)
    if found is None:
        raise RefusedError(400, f"{name}: is not from a link of this page")
    return found
