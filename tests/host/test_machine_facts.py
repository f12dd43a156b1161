"""The host ID."""

import uuid

from agent.host.machine.identity import app_specific, host_id, machine_id

ZINCATI = uuid.UUID("de35106b-6ec2-4688-b63a-fddaa156679b").bytes


def test_the_host_id_is_systemds_app_specific_machine_id() -> None:
    # Test vector of poseidon/fleetlock.
    assert app_specific("1c09ca98649c4c7abc779cd04c96812e", ZINCATI) == "978a225b-3d7b-40e9-acd7-ce9b62f68444"


def test_host_names_without_machine_id_give_distinct_ids() -> None:
    names = {app_specific(name, ZINCATI) for name in ("web1", "web2", "1c09ca98", "wéb")}

    assert len(names) == 4
    assert all(uuid.UUID(name).version == 4 for name in names)


def test_the_host_id_does_not_reveal_machine_id() -> None:
    assert machine_id() not in host_id().replace("-", "")
