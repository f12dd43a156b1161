"""The record of provisioning: provision.json. Root writes it."""

from datetime import datetime

from agent.core.provision.model import Provision
from agent.core.schemas import PROVISION_SCHEMA
from agent.errors import RecordError
from agent.state.documents.provision import provision_from_document, provision_to_document
from agent.state.store import PROVISION, Store


def load_provision(store: Store) -> Provision | None:
    """Return how far provisioning has come; None: it never began.

    Raises:
        RecordError: the document is damaged.
    """
    reader = store.read(PROVISION, PROVISION_SCHEMA, keep=True)
    return provision_from_document(reader) if reader else None


def load_or_forget(store: Store) -> Provision | None:
    """Return the same; a damaged document is set aside."""
    try:
        return load_provision(store)
    except RecordError:
        store.set_aside(PROVISION)
        return None


def save_provision(store: Store, provision: Provision, now: datetime) -> None:
    """Record how far it has come.

    Raises:
        HostError: it cannot be written.
    """
    store.write(PROVISION, provision_to_document(provision, now))
