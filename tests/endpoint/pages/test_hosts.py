"""The list of hosts in its four forms: page, CSV, JSON, and the API."""

import csv
import io
import json
import re
from html import unescape
from urllib.parse import parse_qsl, urlencode

import jsonschema
import pytest

from endpoint.core.host_csv import Cell, csv_cell
from endpoint.core.people import PersonRole
from endpoint.http.validation import strict
from tests.endpoint.conftest import MakeEndpoint
from tests.support.local_endpoint import LocalEndpoint
from tests.support.messages import Outbox
from tests.support.visitor import Visitor, visitor

_ROW = re.compile(r'<a href="/hosts/([0-9a-f-]{36})">([^<]*)</a>')
QUERIES = (
    "",
    "state=held",
    "state=held&state=silent",
    "tag=web&state=reboot-required",
    "release=debian+12&sort=-pending",
    "q=db-",
    "sort=exposed",
    "exposed=1&sort=name",
    "version=0.4.2&sort=-seen",
    "group=web",
    "package=curl",
)


def pages(browser: Visitor, address: str) -> list[tuple[str, str]]:
    """Return the hosts of all pages of a list, in order."""
    found: list[tuple[str, str]] = []
    while address:
        page = browser.get(address).body.decode()
        found += _ROW.findall(page)
        following = re.search(r'rel="next" href="([^"]+)"', page)
        address = unescape(following[1]) if following else ""
    return found


@pytest.mark.parametrize("query", QUERIES)
def test_page_csv_json_and_api_have_the_same_hosts_in_the_same_order(demo: LocalEndpoint, query: str) -> None:
    browser = visitor(demo, PersonRole.VIEWER)
    listed = [host for host, _ in pages(browser, f"/hosts?{query}&limit=7")]
    table = list(csv.DictReader(io.StringIO(browser.get(f"/hosts.csv?{query}").body.decode())))
    document = browser.get(f"/hosts.json?{query}").json
    api = demo.client(demo.token("--admin")).get(f"/v1/hosts?{query}").json

    assert [row["host_id"] for row in table] == listed
    assert [host["host_id"] for host in document["hosts"]] == listed
    assert [host["host_id"] for host in api["hosts"]] == listed
    assert document["total"] == api["total"] == len(listed)
    validator = jsonschema.Draft7Validator(strict("maestro.hosts-1"))
    validator.validate(document)
    validator.validate(api)


@pytest.mark.parametrize("tags", [None, "web", "web db"])
def test_each_option_of_the_form_has_the_number_of_the_list_that_it_opens(
    demo: LocalEndpoint, tags: str | None
) -> None:
    browser = visitor(demo, PersonRole.VIEWER, tags=None if tags is None else set(tags.split()))
    form = browser.get("/hosts").body.decode()
    options = [
        (name, unescape(value), int(number.replace(",", "")))
        for name, select in re.findall(r'<select name="(tag|release)">(.*?)</select>', form, re.DOTALL)
        for value, number in re.findall(r'<option value="([^"]+)"[^>]*>[^<]*\(([0-9,]+)\)', select)
    ]

    listed = [browser.get(f"/hosts.json?{urlencode({name: value})}").json["total"] for name, value, _ in options]

    assert listed == [number for *_, number in options]
    assert {name for name, *_ in options} == {"tag", "release"}


def test_the_api_goes_on_where_a_page_ends(demo: LocalEndpoint) -> None:
    client = demo.client(demo.token("--admin"))
    first = client.get("/v1/hosts?limit=150").json
    second = client.get(f"/v1/hosts?limit=150&after={first['next']}").json

    names = [host["name"] for page in (first, second) for host in page["hosts"]]
    assert (len(first["hosts"]), len(second["hosts"]), second["next"]) == (150, 50, None)
    assert names == sorted(names)


@pytest.mark.parametrize(
    "query", ["state=green", "sort=shoe-size", "cve=1", "limit=0", "after=x", "colour=red", "q=%00", "host=1"]
)
@pytest.mark.parametrize("form", ["/hosts", "/hosts.csv", "/hosts.json", "/v1/hosts"])
def test_a_wrong_parameter_is_named(demo: LocalEndpoint, form: str, query: str) -> None:
    client = demo.client(demo.token("--admin")) if form.startswith("/v1/") else visitor(demo)
    answer = client.get(f"{form}?{query}")

    assert answer.status == 400
    assert query.partition("=")[0] in answer.body.decode()


def test_a_person_with_tags_sees_no_other_host_in_any_form(demo: LocalEndpoint) -> None:
    browser = visitor(demo, PersonRole.OPERATOR, tags={"db"})
    names = [name for _, name in pages(browser, "/hosts")]
    document = browser.get("/hosts.json?tag=web").json

    assert names
    assert all(name.startswith("db-") for name in names)
    assert document["hosts"] == []
    assert "web" not in browser.get("/hosts").body.decode().replace("site-", "")


HOSTILE = "<script>alert(1)</script>'\"><svg onload=x>\u202egpj.exe\x1b[31m"


def test_hostile_fields_show_as_text_in_every_form(make_endpoint: MakeEndpoint) -> None:
    endpoint, box = make_endpoint(), Outbox()
    state = box.state()
    state["body"]["host"]["name"] = f"=HYPERLINK(1){HOSTILE}"
    state["body"]["host"]["os"] = {"id": HOSTILE, "version": HOSTILE, "codename": HOSTILE}
    state["body"]["kernel"]["running"] = state["body"]["host"]["architecture"] = f"@{HOSTILE}"
    state["body"]["reboot"] = {"required": True, "packages": [f"+{HOSTILE}"], "since": None}
    assert endpoint.client(endpoint.token()).post(box.batch(state)).statuses == ["accepted"]
    browser = visitor(endpoint)

    for path in ("/", "/hosts", "/hosts?sort=-release"):
        page = browser.get(path).body.decode()
        assert "&lt;script&gt;" in page
        assert [text for text in ("<script>", "<svg onload", "\u202e", "\x1b") if text in page] == []
    text = browser.get("/hosts.csv").body.decode()
    (row,) = csv.DictReader(io.StringIO(text))
    assert row["name"].startswith("'=HYPERLINK")
    assert [cell for cell in row.values() if cell.startswith(("=", "+", "-", "@"))] == []
    assert "\u202e" not in text
    assert json.loads(browser.get("/hosts.json").body)["hosts"][0]["name"].startswith("=HYPERLINK(1)<script>")


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        (None, ""),
        (0, "0"),
        (True, "yes"),
        ("web-1", '"web-1"'),
        ('a "b", c', '"a ""b"", c"'),
        ("=1+1", '"\'=1+1"'),
        ("-1", '"\'-1"'),
        ("@x", '"\'@x"'),
        ("\t=1", '"\'\\t=1"'),
        ("\r=1", '"\'\\r=1"'),
        ("  +1", '"\'  +1"'),
        ("\uff1d1", '"\'\uff1d1"'),
        ("a;=1", '"a;\'=1"'),
        ('a; "@x;b-1', '"a; ""\'@x;b-1"'),
        ("a\nb", '"a\\nb"'),
    ],
    ids=repr,
)
def test_a_cell_is_never_a_formula(value: Cell, cell: str) -> None:
    assert csv_cell(value) == cell


def test_a_download_is_a_file(demo: LocalEndpoint) -> None:
    headers = visitor(demo).get("/hosts.csv").headers

    assert headers["Content-Disposition"] == "attachment; filename=hosts.csv"
    assert headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "query",
    [
        "tag=rack-7",
        "tag=rack-7&tag=web",
        "group=nobody&package=curl",
        "release=debian+4&state=silent&state=held",
        "version=0.0.1&sort=-seen",
        "q=x&cve=CVE-2020-0001",
    ],
)
def test_the_form_keeps_each_condition_though_no_host_fits_it(demo: LocalEndpoint, query: str) -> None:
    sent = sent_by_form(visitor(demo).get(f"/hosts?{query}").body.decode())

    assert sorted(sent) == sorted(parse_qsl(query))


def sent_by_form(page: str) -> list[tuple[str, str]]:
    """Return the parameters that a browser sends of the filter as it is shown, without empty ones."""
    (form,) = re.findall(r'<form class="filter panel".*?</form>', page, re.DOTALL)
    inputs = re.findall(r'<input type="(?:text|hidden)" name="([^"]+)" value="([^"]*)"', form)
    chosen = [
        (name, value)
        for name, options in re.findall(r'<select name="([^"]+)">(.*?)</select>', form, re.DOTALL)
        for value in re.findall(r'<option value="([^"]*)" selected', options)
    ]
    return [(name, unescape(value)) for name, value in inputs + chosen if value]


def test_a_view_is_saved_shown_replaced_and_deleted(demo: LocalEndpoint) -> None:
    browser, other = visitor(demo), visitor(demo)
    saved = browser.submit("/hosts/views", {"name": "to do", "query": "tag=web&state=held"}, page="/hosts")

    assert (saved.status, saved.headers["Location"]) == (303, "/hosts?state=held&tag=web")
    assert '<a href="/hosts?state=held&amp;tag=web">to do</a>' in browser.get("/hosts").body.decode()
    assert "to do" not in other.get("/hosts").body.decode()

    browser.submit("/hosts/views", {"name": "to do", "query": "state=silent"}, page="/hosts")
    assert '<a href="/hosts?state=silent">to do</a>' in browser.get("/hosts").body.decode()
    browser.submit("/hosts/views/delete", {"name": "to do", "query": ""}, page="/hosts")
    assert "to do" not in browser.get("/hosts").body.decode()


@pytest.mark.parametrize("path", ["/hosts/views", "/hosts/views/delete", "/hosts/ticked"])
def test_a_form_of_another_site_changes_nothing(demo: LocalEndpoint, path: str) -> None:
    browser = visitor(demo)

    assert browser.post_form(path, {"name": "x", "query": "", "form_token": "0"}).status == 403
    assert browser.submit(path, {"name": "x"}, page="/hosts", Sec_Fetch_Site="cross-site").status == 403


@pytest.mark.parametrize(
    "values", [{"name": ""}, {"name": "x" * 65}, {"name": "\u202ex"}, {"name": "x", "query": "a=1"}]
)
def test_a_wrong_view_is_refused(demo: LocalEndpoint, values: dict[str, object]) -> None:
    assert visitor(demo).submit("/hosts/views", values, page="/hosts").status == 400


def test_ticked_hosts_become_a_selection(demo: LocalEndpoint) -> None:
    browser = visitor(demo, PersonRole.OPERATOR)
    hosts = [host for host, _ in pages(browser, "/hosts?state=silent")]
    some = browser.submit("/hosts/ticked", {"host": hosts[:2], "query": "state=silent"}, page="/hosts")
    every = browser.submit("/hosts/ticked", {"host": hosts, "query": "state=silent"}, page="/hosts")
    none = browser.submit("/hosts/ticked", {"query": "state=silent"}, page="/hosts")
    blank = browser.submit("/hosts/ticked", {"host": " ", "query": "state=silent"}, page="/hosts")

    path, _, query = some.headers["Location"].partition("?")
    assert (some.status, path, parse_qsl(query)) == (303, "/deploy", [("host", host) for host in hosts[:2]])
    assert (every.status, every.headers["Location"]) == (303, "/deploy?state=silent")
    assert (none.status, blank.status) == (400, 400)


def test_hosts_that_a_view_no_longer_has_are_not_replaced_by_others(demo: LocalEndpoint) -> None:
    browser = visitor(demo, PersonRole.OPERATOR)
    silent = [host for host, _ in pages(browser, "/hosts?state=silent")]
    others = [host for host, _ in pages(browser, "/hosts?state=patched")][: len(silent)]

    chosen = browser.submit("/hosts/ticked", {"host": others, "query": "state=silent"}, page="/hosts")

    query = chosen.headers["Location"].partition("?")[2]
    assert parse_qsl(query) == [("host", host) for host in others]


def test_who_may_not_deploy_sees_no_box_and_no_button(demo: LocalEndpoint) -> None:
    page = visitor(demo, PersonRole.VIEWER).get("/hosts").body.decode()

    assert "checkbox" not in page
    assert [text for text in ('action="/hosts/ticked"', 'href="/deploy"', "Deploy to") if text in page] == []
