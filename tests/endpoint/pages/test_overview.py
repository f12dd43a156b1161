"""The overview: its cards are filters, and each number is that of the list behind it."""

import re
from html import unescape

import jsonschema
import pytest

from endpoint.core.people import PersonRole
from endpoint.http.validation import strict
from tests.endpoint.conftest import MakeEndpoint
from tests.support.host_reports import patched
from tests.support.local_endpoint import LocalEndpoint
from tests.support.messages import Outbox
from tests.support.visitor import visitor

_CARD = re.compile(r'<a class="card[^"]*" href="([^"]+)">.*?<b>([0-9,]+)</b>', re.DOTALL)
_BAR = re.compile(r'<th scope="row"><a href="([^"]+)">[^<]*</a></th>\s*<td class="number">([0-9,]+)')


def total(page: str) -> int:
    found = re.search(r"[0-9,]+ of ([0-9,]+) hosts?, counted", page)
    return int(found[1].replace(",", "")) if found else 0


@pytest.mark.parametrize("tags", [None, "web", "web db", "staging", ""])
def test_each_card_shows_as_many_hosts_as_the_list_that_it_opens(demo: LocalEndpoint, tags: str | None) -> None:
    browser = visitor(demo, PersonRole.VIEWER, tags=None if tags is None else set(tags.split()))
    cards = _CARD.findall(browser.get("/").body.decode())

    shown = {address: int(number.replace(",", "")) for address, number in cards}
    listed = {address: total(browser.get(unescape(address)).body.decode()) for address in shown}

    assert shown == listed
    assert bool(shown) == (tags != "")


def test_a_release_has_one_number_that_of_its_list_whatever_its_support(make_endpoint: MakeEndpoint) -> None:
    endpoint = make_endpoint()
    for release, support in (("24.04", "supported"), ("20.04", "ended"), ("20.04", "extended"), ("20.04", "ended")):
        box = Outbox()
        system = {"id": "ubuntu", "version": release, "codename": None}
        state = patched(box, host={"os": system}, release={"distribution": "Ubuntu", "support": support})
        assert endpoint.client(endpoint.any_host_token).post(box.batch(state)).statuses == ["accepted"]
    browser = visitor(endpoint)

    bars = [bar for bar in _BAR.findall(browser.get("/").body.decode()) if "release=" in bar[0]]

    assert bars == [("/hosts?release=ubuntu+20.04", "3"), ("/hosts?release=ubuntu+24.04", "1")]
    pages = [browser.get(address).body.decode() for address, _ in bars]
    assert [total(page) for page in pages] == [3, 1]
    assert [re.findall(r'<option value="(ubuntu [^"]*)"', page) for page in pages] == [
        ["ubuntu 20.04", "ubuntu 24.04"]
    ] * 2


def test_the_number_of_exposed_hosts_is_that_of_the_list_behind_it(demo: LocalEndpoint) -> None:
    browser = visitor(demo, PersonRole.VIEWER)

    found = re.search(r'<a href="(/hosts\?exposed[^"]*)">([0-9]+) hosts</a>', browser.get("/").body.decode())

    assert found is not None
    assert 0 < int(found[2]) == total(browser.get(unescape(found[1])).body.decode()) < 200


def test_the_document_is_valid_and_has_what_the_page_shows(demo: LocalEndpoint) -> None:
    document = demo.client(demo.token("--admin")).get("/v1/overview").json

    jsonschema.Draft7Validator(strict("maestro.overview-1")).validate(document)
    assert document["hosts"] == 200
    assert document["states"]["patched"] > 100
    assert len(document["exposure"]["days"]) == 90
    assert sum(one["hosts"] for one in document["releases"]) == 200


def test_an_empty_fleet_says_how_a_host_is_added(make_endpoint: MakeEndpoint) -> None:
    endpoint = make_endpoint()
    page = visitor(endpoint).get("/").body.decode()

    assert "maestro-endpoint token add" in page
    assert 'class="card' not in page


@pytest.mark.parametrize("path", ["/", "/hosts"])
def test_a_person_whose_tags_no_host_has_is_told_so_and_not_how_to_add_one(path: str, demo: LocalEndpoint) -> None:
    page = visitor(demo, PersonRole.VIEWER, tags={"nowhere"}).get(path).body.decode()

    assert "No host has one of your tags" in page
    assert "No host has reported yet" not in page
    assert "token add" not in page
