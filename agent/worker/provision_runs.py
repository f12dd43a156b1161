"""When a server is provisioned without a command: from the configuration, the record and the server's age.

The daemon asks, and the worker asks again before it obeys: only what root has written counts.
"""

from datetime import datetime

from agent.core.policy.policy import ProvisionPolicy
from agent.core.schedule.provision import NewServer, provision_at
from agent.core.schedule.slots import JobAttempts, stable_fraction
from agent.errors import RecordError
from agent.host import log
from agent.host.boot_time import booted_at
from agent.host.machine.boot_id import boot_id
from agent.host.machine.first_boot import first_booted_at
from agent.host.machine.identity import host_id
from agent.state.provision_record import load_provision
from agent.state.store import Store


def provision_run(
    policy: ProvisionPolicy, store: Store, attempts: JobAttempts | None, now: datetime
) -> datetime | None:
    """Return when a job provisions this server; None: it is not to be provisioned, or was.

    A damaged record is logged, and nothing is started: what it held may have been the end.
    """
    try:
        recorded = load_provision(store)
    except RecordError as error:
        log.event(log.LogEvent.RECORD_DAMAGED, error=str(error))
        return None
    if recorded is None and not policy.first_boot:
        return None
    machine = host_id()
    server = NewServer(
        machine=machine,
        first_booted_at=first_booted_at() if policy.first_boot else None,
        booted_at=booted_at(),
        boot_id=boot_id(),
    )
    return provision_at(
        recorded,
        attempts,
        server,
        first_boot=policy.first_boot,
        share=stable_fraction(machine, "retry"),
        now=now,
    )
