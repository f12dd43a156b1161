"""GET /metrics: what Prometheus reads, who may, and that alerts and the dashboard use metrics that exist."""

import json
import re
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from endpoint.config.read import read_config
from endpoint.core.exposition import Gauge, exposition
from endpoint.core.fleet_metrics import EndpointFigures, fleet_metrics
from endpoint.core.fleet_model import Oldest, Overview, ReleaseCount
from endpoint.core.host_states import HostState
from endpoint.core.lock_metrics import lock_metrics
from endpoint.core.people import Scope
from endpoint.core.request_metrics import request_metrics
from endpoint.errors import ConfigError
from endpoint.store.advisory_tables import ADVISORY_SOURCES
from endpoint.store.tokens import Role, Tokens
from tests.endpoint.conftest import CHECKOUT, MakeEndpoint
from tests.endpoint.test_locks import FULL, NOW, SETTINGS
from tests.support.local_endpoint import LocalEndpoint
from tests.support.messages import Outbox
from tests.support.promtool import promtool

RULES = CHECKOUT / "docs/examples/maestro-endpoint.rules.yml"
RULE_TESTS = Path(__file__).parent / "endpoint_rules.test.yml"
DASHBOARD = CHECKOUT / "docs/examples/maestro-endpoint.grafana.json"
HOSTILE = 'v1"} 1\nmaestro_endpoint_fleet_hosts 0\\'
OVERVIEW = Overview(
    as_of_s=0.0,
    hosts=7,
    counts={state: number for number, state in enumerate(HostState)},
    oldest=Oldest(host_id="h", name="web1", since_s=1_700_000_000.5),
    exposed=3,
    inactive_fixes=40,
    releases=(
        ReleaseCount(release="debian 12", support="supported", hosts=6),
        ReleaseCount(release=None, support=None, hosts=1),
    ),
    versions=((HOSTILE, 1), *((f"0.{minor}.0", 1) for minor in range(100))),
    groups=(),
    tags=(),
)
FIGURES = EndpointFigures(
    version="0.5.0",
    database="sqlite",
    database_bytes=4096,
    last_contact=1_800_000_000.25,
    exploited_pending=2,
    advisories_loaded={"kev": 1_790_000_000.0},
    active_deployments=1,
    notifications_waiting=0,
    notifications_given_up=0,
)
PAGE = fleet_metrics(OVERVIEW, FIGURES) + lock_metrics(FULL, NOW, SETTINGS) + request_metrics({}, 0)


def names(text: str) -> set[str]:
    """Return the metrics of a page or of expressions, with `maestro_`."""
    return set(re.findall(r"\bmaestro_[a-z_]+", text))


def test_promtool_finds_nothing_wrong_with_the_page() -> None:
    code, output = promtool("check", "metrics", content=PAGE)

    assert (code, output) == (0, "")


def test_counts_exposure_and_times_are_on_the_page() -> None:
    assert {
        "maestro_endpoint_fleet_hosts 7",
        'maestro_endpoint_fleet_hosts_by_state{state="patched"} 0',
        'maestro_endpoint_fleet_hosts_by_state{state="silent"} 6',
        'maestro_endpoint_fleet_hosts_by_release{release="debian 12",support="supported"} 6',
        'maestro_endpoint_fleet_hosts_by_release{release="unknown",support="unknown"} 1',
        "maestro_endpoint_fleet_oldest_exposure_timestamp_seconds 1700000000.500",
        "maestro_endpoint_known_exploited_pending 2",
        'maestro_endpoint_build_info{version="0.5.0",database="sqlite"} 1',
        'maestro_endpoint_advisories_loaded_timestamp_seconds{source="kev"} 1790000000.000',
    } <= set(PAGE.splitlines())


def test_what_hosts_report_neither_adds_a_line_nor_a_label_without_end() -> None:
    versions = [line for line in PAGE.splitlines() if line.startswith("maestro_endpoint_fleet_hosts_by_agent_version{")]

    assert len(versions) == 31
    assert 'maestro_endpoint_fleet_hosts_by_agent_version{version="other"} 71' in versions
    assert PAGE.splitlines().count("maestro_endpoint_fleet_hosts 0") == 0


def test_versions_that_are_shown_as_the_same_are_one_sample() -> None:
    page = fleet_metrics(replace(OVERVIEW, versions=(("1\x01", 2), ("1\x02", 3))), FIGURES)

    assert [line for line in page.splitlines() if line.startswith("maestro_endpoint_fleet_hosts_by_agent")] == [
        'maestro_endpoint_fleet_hosts_by_agent_version{version="1?"} 5'
    ]


def test_an_unknown_value_is_left_out() -> None:
    gauge = Gauge(name="maestro_x", help="An example.", samples={(): None})

    assert exposition([gauge]) == "# HELP maestro_x An example.\n# TYPE maestro_x gauge\n"


def test_promtool_accepts_the_rules_and_they_fire_exactly_when_they_should() -> None:
    assert promtool("check", "rules", str(RULES))[0] == 0
    code, output = promtool("test", "rules", str(RULE_TESTS))
    assert code == 0, output
    assert "no file match pattern" not in output


def test_rules_use_existing_metrics_and_each_has_a_test() -> None:
    text = RULES.read_text()

    assert names(text) <= names(PAGE)
    for alert in re.findall(r"alert: (\w+)", text):
        assert f"alertname: {alert}\n" in RULE_TESTS.read_text()


def expressions() -> list[str]:
    dashboard = json.loads(DASHBOARD.read_text())
    found = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())]
    return [*found, *(one["query"]["query"] for one in dashboard["templating"]["list"] if one["name"] == "job")]


def test_the_dashboard_uses_existing_metrics_and_shows_each_of_the_endpoint() -> None:
    of_agents = names((CHECKOUT / "docs/metrics.md").read_text())

    assert names(" ".join(expressions())) <= names(PAGE) | of_agents
    assert names(PAGE) <= names(" ".join(expressions()))


def test_each_metric_is_documented_and_no_other() -> None:
    assert names((CHECKOUT / "docs/endpoint/metrics.md").read_text()) == names(PAGE)


def test_each_expression_of_the_dashboard_is_valid() -> None:
    rules = [
        {"record": f"x:{number}", "expr": one} for number, one in enumerate(expressions()) if "label_values" not in one
    ]
    content = json.dumps({"groups": [{"name": "dashboard", "rules": rules}]})

    code, output = promtool("check", "rules", "/dev/stdin", content=content)

    assert code == 0, output


def test_panels_neither_overlap_nor_leave_the_page() -> None:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells

    assert len({panel["id"] for panel in panels}) == len(panels)


@pytest.mark.parametrize("path", ["/metrics", "/v1/metrics"])
def test_the_page_has_what_was_reported(path: str, make_endpoint: MakeEndpoint) -> None:
    endpoint, box = make_endpoint(), Outbox()
    client = endpoint.client(endpoint.any_host_token)
    assert client.post(box.batch(box.state(), box.event())).status == 200
    with endpoint.opened.writing() as connection:
        source = {"name": "kev", "load": 1, "last_load": 1, "place": "x", "loaded_at": 5.0, "entries": 0, "refused": 0}
        connection.execute(sa.insert(ADVISORY_SOURCES), source)

    answer = endpoint.client(endpoint.token("--admin")).get(path)

    lines = answer.body.decode().splitlines()
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert "maestro_endpoint_fleet_hosts 1" in lines
    assert 'maestro_endpoint_fleet_hosts_by_state{state="patched"} 0' in lines
    assert 'maestro_endpoint_advisories_loaded_timestamp_seconds{source="kev"} 5.000' in lines
    contact = number(lines, "maestro_endpoint_last_contact_timestamp_seconds")
    assert abs(contact - datetime.now(timezone.utc).timestamp()) < timedelta(hours=1).total_seconds()
    assert number(lines, "maestro_endpoint_database_size_bytes") > 4096
    assert {line.split("{")[0].split()[0] for line in lines if not line.startswith("#")} <= names(PAGE)
    assert promtool("check", "metrics", content=answer.body.decode()) == (0, "")


def number(lines: list[str], name: str) -> float:
    return next(float(line.split()[1]) for line in lines if line.startswith(f"{name} "))


def add_token(endpoint: LocalEndpoint, role: Role, **more: Any) -> str:
    return Tokens(endpoint.opened).add(role=role, name="", host_id=None, now=datetime.now(timezone.utc), **more)


@pytest.mark.parametrize("path", ["/metrics", "/v1/metrics"])
def test_metrics_need_a_token_that_sees_the_whole_fleet(path: str, make_endpoint: MakeEndpoint) -> None:
    endpoint = make_endpoint()
    tokens = {
        "viewer": add_token(endpoint, Role.VIEWER),
        "scoped": add_token(endpoint, Role.VIEWER, scope=Scope(tags=frozenset({"web"}))),
        "agent": endpoint.token(),
    }

    statuses = {name: endpoint.client(token).get(path) for name, token in tokens.items()}
    without = endpoint.client().get(path)

    assert {name: answer.status for name, answer in statuses.items()} == {"viewer": 200, "scoped": 403, "agent": 403}
    assert without.status == 401
    assert without.headers["Content-Type"] == "application/problem+json"


def test_permitted_addresses_need_no_token_and_a_wrong_one_is_still_refused(make_endpoint: MakeEndpoint) -> None:
    endpoint = make_endpoint(metrics={"allow": ["127.0.0.0/8", "::1"]})

    assert endpoint.client().get("/metrics").status == 200  # the test client's address is 127.0.0.1
    assert endpoint.client("wrong").get("/metrics").status == 401
    assert endpoint.client().get("/v1/fleet").status == 401


def test_other_addresses_need_a_token_whatever_they_claim(make_endpoint: MakeEndpoint) -> None:
    endpoint = make_endpoint(metrics={"allow": ["192.0.2.0/24"]})
    claimed = endpoint.client().send("GET", "/metrics", None, X_Forwarded_For="192.0.2.1")

    assert claimed.status == 401


@pytest.mark.parametrize(
    ("listen", "allow"),
    [("127.0.0.1:8443", '["localhost"]'), ("127.0.0.1:8443", '["10.0.0.1/8"]'), ("unix:/run/x", '["127.0.0.1"]')],
    ids=["name", "host-bits", "proxy"],
)
def test_invalid_addresses_and_those_behind_a_proxy_are_configuration_errors(
    listen: str, allow: str, tmp_path: Path
) -> None:
    file = tmp_path / "config.toml"
    file.write_text(f'[server]\nlisten = "{listen}"\n[metrics]\nallow = {allow}\n')

    with pytest.raises(ConfigError, match=r"metrics\.allow"):
        read_config(file)
