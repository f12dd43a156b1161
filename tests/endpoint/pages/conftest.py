"""Fixtures: an endpoint with an invented fleet, for all tests of pages that change none of its hosts."""

from collections.abc import Iterator

import pytest

from tests.endpoint.conftest import database_url
from tests.support.demo_endpoint import demo_endpoint
from tests.support.local_endpoint import LocalEndpoint


@pytest.fixture(scope="session")
def demo(
    kind: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LocalEndpoint]:
    """Return an endpoint with 200 invented hosts."""
    directory = tmp_path_factory.mktemp("demo")
    made = demo_endpoint(directory, database_url(kind, directory, request), hosts=200)
    with made.logging():
        yield made
    made.end()
