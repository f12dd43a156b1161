"""The frame of all pages: headers, errors, static files, hostile text."""

import os
import re
import subprocess
from pathlib import Path

import pytest
from flask import Response
from jinja2 import UndefinedError

from endpoint.http.pages.site import Site
from tests.endpoint.conftest import CHECKOUT, MakeEndpoint
from tests.support.local_endpoint import LocalClient, LocalEndpoint
from tests.support.visitor import Visitor
from tests.support.visitor import visitor as log_in

PAGES = CHECKOUT / "endpoint/http/pages"
POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
INLINE = re.compile(r"<style|\sstyle\s*=|\son[a-z]+\s*=|javascript:|\|\s*safe\b")
ASSETS = ("style.css", "live.js", "icon.svg")


@pytest.fixture
def visitor(endpoint: LocalEndpoint) -> Visitor:
    return log_in(endpoint)


@pytest.mark.parametrize("path", ["/", "/static/style.css", "/nothing", "/static/../site.py"])
def test_every_answer_beside_the_api_has_the_headers_of_a_page(visitor: Visitor, path: str) -> None:
    headers = visitor.get(path).headers

    assert headers["Content-Security-Policy"] == POLICY
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cross-Origin-Opener-Policy"] == headers["Cross-Origin-Resource-Policy"] == "same-origin"


def test_a_redirect_names_no_host_with_an_old_werkzeug_either(
    endpoint: LocalEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Response, "autocorrect_location_header", True)

    assert endpoint.client().get("/hosts").headers["Location"] == "/login?next=%2Fhosts"


def test_a_page_is_stored_nowhere(visitor: Visitor) -> None:
    assert visitor.get("/").headers["Cache-Control"] == "no-store"


def test_an_error_is_a_page_for_people_and_a_problem_for_programs(visitor: Visitor) -> None:
    page, problem = visitor.get("/nothing"), visitor.get("/v1/nothing")

    assert (page.status, page.headers["Content-Type"]) == (404, "text/html; charset=utf-8")
    assert (problem.status, problem.headers["Content-Type"]) == (404, "application/problem+json")
    assert "Content-Security-Policy" not in problem.headers


def test_nobody_sees_a_page_without_being_known(endpoint: LocalEndpoint, client: LocalClient) -> None:
    assert endpoint.client().get("/").status in {302, 303, 401}
    assert client.get("/").status in {302, 303, 401, 403}


def test_without_the_dashboard_only_the_api_answers(make_endpoint: MakeEndpoint) -> None:
    endpoint = make_endpoint(dashboard={"enabled": False})
    visitor = endpoint.client(endpoint.token("--admin"))

    assert {path: visitor.get(path).status for path in ("/", "/static/style.css", "/v1/fleet")} == {
        "/": 404,
        "/static/style.css": 404,
        "/v1/fleet": 200,
    }


@pytest.mark.parametrize("name", ASSETS)
def test_a_static_file_is_kept_for_ever_at_the_address_of_its_version(visitor: Visitor, name: str) -> None:
    plain = visitor.get(f"/static/{name}")
    version = plain.headers["ETag"].strip('"')

    assert plain.body == (PAGES / "static" / name).read_bytes()
    assert plain.headers["Cache-Control"] == "no-cache"
    assert "immutable" in visitor.get(f"/static/{name}?v={version}").headers["Cache-Control"]
    assert visitor.get(f"/static/{name}?v=other").headers["Cache-Control"] == "no-cache"
    assert visitor.send("GET", f"/static/{name}", None, If_None_Match=f'"{version}"').status == 304


def test_stylesheet_and_script_stay_small() -> None:
    assert (PAGES / "static/style.css").stat().st_size <= 20_000
    assert (PAGES / "static/live.js").stat().st_size <= 8_000


@pytest.mark.parametrize("template", sorted(path.name for path in (PAGES / "templates").iterdir()))
def test_no_template_holds_what_the_policy_forbids(template: str) -> None:
    text = (PAGES / "templates" / template).read_text().lower()

    assert INLINE.findall(text) == []
    assert text.count("<script") == (template == "base.html")


def test_hostile_text_is_shown_as_text() -> None:
    site = Site(lambda: None, str)
    shown = site.environment.from_string("<a title='{{ text }}'>{{ text }}</a>").render(
        text="<script>'\"\u202egnp.exe\x1b[31m\u200b\x00"
    )

    assert shown.count("&lt;script&gt;&#39;&#34;\\u202egnp.exe\\x1b[31m\\u200b\\x00") == 2


def test_unknown_is_shown_as_unknown_and_a_missing_value_is_a_bug() -> None:
    environment = Site(lambda: None, str).environment

    assert environment.from_string("{{ value }}").render(value=None) == "unknown"
    with pytest.raises(UndefinedError):
        environment.from_string("{{ value }}").render()


def test_the_package_holds_every_template_and_static_file(tmp_path: Path) -> None:
    command = ["make", "-s", "install-endpoint", f"DESTDIR={tmp_path}"]
    subprocess.run(command, cwd=CHECKOUT, check=True, env={**os.environ, "MAKEFLAGS": ""})
    installed = tmp_path / "usr/share/maestro-endpoint/endpoint/http/pages"

    for folder in ("templates", "static"):
        assert {path.name for path in (installed / folder).iterdir()} == {
            path.name for path in (PAGES / folder).iterdir()
        }
