"""The FleetLock server that the policy names, and this host's id there."""

from collections.abc import Callable

from agent.core.fleet_lock.server import ENDPOINT_URL, IdScheme, LockServer
from agent.core.policy.policy import Policy
from agent.host.fleet_lock import LocalFleetLock, LockOwner
from agent.host.machine.identity import app_specific, host_id, machine_id
from agent.state.fleet_lock_record import FleetLockRecord
from agent.state.store import Store

_ZINCATI = bytes.fromhex("de35106b6ec24688b63afddaa156679b")
"""Zincati's application ID (src/identity/mod.rs)."""


def open_fleet_lock(
    store: Store, policy: Policy, owner: LockOwner, alive: Callable[[], None] = lambda: None
) -> LocalFleetLock:
    """Return this host's slot at the configured server; `alive` is called before each request."""
    return LocalFleetLock(configured_server(policy, store.directory), FleetLockRecord(store), owner, alive=alive)


def configured_server(policy: Policy, state_directory: str) -> LockServer | None:
    """Return the configured server; None: no lock is needed to reboot."""
    reboot, endpoint = policy.reboot, policy.endpoint
    if not reboot.fleetlock_url:
        return None
    lock_id = lock_id_of(reboot.fleetlock_id, machine_id())
    if reboot.fleetlock_url == ENDPOINT_URL:
        return LockServer(
            url=endpoint.url,
            group=reboot.fleetlock_group,
            id=lock_id,
            token_file=endpoint.token_file,
            enrolled_in=state_directory if endpoint.enrolment_key_file else "",
            is_endpoint=True,
            ca_file=endpoint.ca_file,
            client_cert=endpoint.client_cert,
            client_key=endpoint.client_key,
            proxy=endpoint.proxy,
        )
    return LockServer(
        url=reboot.fleetlock_url,
        group=reboot.fleetlock_group,
        id=lock_id,
        token_file=reboot.fleetlock_token_file,
        ca_file=reboot.fleetlock_ca_file,
        client_cert=reboot.fleetlock_client_cert,
        client_key=reboot.fleetlock_client_key,
    )


def lock_id_of(scheme: str, machine: str) -> str:
    """Return the id by `reboot.fleetlock_id`; `machine` is the machine-id, which cannot be derived from it."""
    if scheme == IdScheme.APP.value:
        return host_id()
    return app_specific(machine, _ZINCATI).replace("-", "") if scheme == IdScheme.ZINCATI.value else scheme
