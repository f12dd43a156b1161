"""Fixes: which hosts lack one, which are known to be exploited, and the same for programs."""

import json
from pathlib import Path

import pytest

from endpoint.core.people import PersonRole
from tests.core.test_advisories import ENTRY, USN
from tests.endpoint.conftest import MakeEndpoint
from tests.endpoint.test_validation import faults
from tests.support.host_reports import patched, pending, update
from tests.support.local_endpoint import LocalEndpoint
from tests.support.messages import Outbox
from tests.support.reporting import CVE, reporting_host
from tests.support.visitor import Visitor
from tests.support.visitor import visitor as log_in

OTHER = "CVE-2024-41110"
"""Held in a full report."""


@pytest.fixture
def fleet(make_endpoint: MakeEndpoint, tmp_path: Path) -> LocalEndpoint:
    """Return an endpoint of its own, with advisories and two hosts, one of them tagged web."""
    (tmp_path / "kev.json").write_text(json.dumps({"vulnerabilities": [{**ENTRY, "cveID": CVE}]}))
    (tmp_path / "osv").mkdir()
    (tmp_path / "osv/USN.json").write_text(json.dumps({**USN, "upstream": [CVE]}))
    files = {"kev_file": str(tmp_path / "kev.json"), "osv_directory": str(tmp_path / "osv")}
    endpoint = make_endpoint(advisories=files)
    assert endpoint.run("advisories", "load").returncode == 0
    reporting_host(endpoint, name="first", tag="web")
    reporting_host(endpoint, name="second")
    return endpoint


def text(visitor: Visitor, path: str) -> str:
    answer = visitor.get(path)
    assert answer.status == 200, answer.body
    return answer.body.decode()


def test_an_exploited_fix_is_marked_and_found(fleet: LocalEndpoint) -> None:
    visitor = log_in(fleet)

    shown = text(visitor, "/fixes")
    assert "1 CVE known to be exploited" in shown
    assert "fixed by docker.io" in shown
    exploited = text(visitor, "/fixes?exploited=1")
    assert CVE in exploited
    assert OTHER not in exploited


def test_a_notice_stands_for_its_cves(fleet: LocalEndpoint) -> None:
    visitor = log_in(fleet)

    found = text(visitor, "/fixes?q=usn-7777-1")
    assert f"/fixes/{CVE}" in found
    assert f"/fixes/{OTHER}" not in found
    assert "No fix matches" in text(visitor, "/fixes?q=USN-1-1")


def test_a_fix_names_the_hosts_that_lack_it_and_leads_to_a_deployment(fleet: LocalEndpoint) -> None:
    shown = text(log_in(fleet), f"/fixes/{CVE.lower()}")

    for found in (
        "first",
        "second",
        "Known to be exploited",
        "2026-11-23",
        "USN-7777-1",
        "libssl3",
        f"/deploy?cve={CVE}",
    ):
        assert found in shown, found
    assert "/deploy?" not in text(log_in(fleet, PersonRole.VIEWER), f"/fixes/{CVE}")


@pytest.mark.parametrize("cve", ["CVE-2020-0001", "x", "CVE-2020-0001' OR 1=1", "%00", "<b>"])
def test_a_fix_that_no_host_lacks_is_not_found(fleet: LocalEndpoint, cve: str) -> None:
    visitor = log_in(fleet)

    assert visitor.get(f"/fixes/{cve}").status == 404


@pytest.mark.parametrize("query", ["x=1", "sort=nothing", "offset=-1", "exploited=2", "q=%00", "q=<b>"])
def test_a_bad_parameter_is_refused(fleet: LocalEndpoint, query: str) -> None:
    assert log_in(fleet).get(f"/fixes?{query}").status == 400


def test_somebody_sees_the_fixes_of_the_own_hosts_only(fleet: LocalEndpoint) -> None:
    own, nobody = log_in(fleet, tags={"web"}), log_in(fleet, tags={"nothing"})

    shown = text(own, f"/fixes/{CVE}")
    assert "first" in shown
    assert "second" not in shown
    assert nobody.get(f"/fixes/{CVE}").status == 404
    assert CVE not in text(nobody, "/fixes")
    for page in ("/", "/fixes"):
        assert "1 CVE known to be exploited</strong>" in text(own, page)
        assert "known to be exploited</strong>" not in text(nobody, page)


def test_a_person_who_is_limited_to_tags_is_told_of_the_own_hosts_and_not_of_the_fleet(fleet: LocalEndpoint) -> None:
    box, cve = Outbox(), "CVE-2026-77777"
    for state in (patched(box, updates=pending(update("openssl", cve))), patched(box)):
        assert fleet.client(fleet.any_host_token).post(box.batch(state)).statuses == ["accepted"]
    assert fleet.run("tag", box.host, "--add", "db").returncode == 0
    whole, own = log_in(fleet), log_in(fleet, tags={"db"})

    assert "No host of this fleet lacks it" in text(whole, f"/fixes/{cve}")
    assert "Deploy to the whole fleet" in text(whole, "/deployments")
    pages = {path: text(own, path) for path in (f"/fixes/{cve}", "/fixes", "/", "/deployments", "/audit")}
    assert [
        path for path, page in pages.items() for word in ("fleet lacks", "whole fleet", "everywhere") if word in page
    ] == []
    assert "No host of yours lacks it" in pages[f"/fixes/{cve}"]
    assert "No host of yours lacks a fix" in pages["/fixes"]
    assert "No host of yours reports" in pages["/"]
    assert "Deploy to all your hosts" in pages["/deployments"]


def test_programs_read_the_same(fleet: LocalEndpoint) -> None:
    whole = fleet.client(fleet.token("--admin"))

    fixes, fix = (whole.get(path).json for path in ("/v1/fixes", f"/v1/fixes/{CVE}"))
    assert faults("maestro.fixes-1", fixes) == faults("maestro.fix-1", fix) == []
    assert {one["cve"]: one["kev"] is not None for one in fixes["fixes"]} == {
        CVE: True,
        OTHER: False,
        "CVE-2025-9230": False,
    }
    assert fix["hosts_by_stage"] == {"pending": 2, "held": 0, "installed": 0, "active": 0}
    assert [one["id"] for one in fix["notices"]] == ["USN-7777-1"]
    own = fleet.client(fleet.token("--role", "viewer", "--tag", "web"))
    assert [one["name"] for one in own.get(f"/v1/fixes/{CVE}").json["hosts"]] == ["first"]
