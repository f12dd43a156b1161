"""Which server the configuration names, and under which id this host is known there."""

from dataclasses import replace

from agent.core.fleet_lock.server import LockServer
from agent.core.policy.policy import Policy, RebootPolicy
from agent.host.fleet_lock_settings import configured_server, lock_id_of
from agent.host.machine.identity import host_id
from tests.core import given

_OWN = RebootPolicy(
    fleetlock_url="https://locks.example.org",
    fleetlock_group="web",
    fleetlock_id="host-7",
    fleetlock_ca_file="/etc/ca.pem",
    fleetlock_token_file="/etc/token",  # noqa: S106 - a path
    fleetlock_client_cert="/etc/client.pem",
    fleetlock_client_key="/etc/client.key",
)


def policy(reboot: RebootPolicy) -> Policy:
    return replace(
        given.policy(),
        reboot=reboot,
        endpoint=replace(
            given.NO_ENDPOINT,
            url="https://reports.example.org",
            token_file="/etc/own",  # noqa: S106 - a path
            ca_file="",
            proxy="http://proxy",
        ),
    )


def test_without_a_url_no_lock_is_needed() -> None:
    assert configured_server(policy(RebootPolicy()), "/state") is None


def test_a_server_has_credentials_of_its_own() -> None:
    assert configured_server(policy(_OWN), "/state") == LockServer(
        url="https://locks.example.org",
        group="web",
        id="host-7",
        token_file="/etc/token",  # noqa: S106 - a path
        ca_file="/etc/ca.pem",
        client_cert="/etc/client.pem",
        client_key="/etc/client.key",
    )


def test_the_endpoint_is_reached_as_reports_are() -> None:
    assert configured_server(
        policy(replace(_OWN, fleetlock_url="endpoint", fleetlock_id="app")), "/state"
    ) == LockServer(
        url="https://reports.example.org",
        group="web",
        id=host_id(),
        token_file="/etc/own",  # noqa: S106 - a path
        is_endpoint=True,
        proxy="http://proxy",
    )


def test_the_id_of_zincati_is_that_of_poseidons_test_vector() -> None:
    machine_id = "1c09ca98649c4c7abc779cd04c96812e"

    assert lock_id_of("zincati", machine_id) == "978a225b3d7b40e9acd7ce9b62f68444"


def test_the_id_by_default_is_the_host_id_of_the_reports() -> None:
    assert lock_id_of("app", "any") == host_id()
