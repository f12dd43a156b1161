"""`maestro-endpoint backup`: a verified copy of the database, while the server runs."""

import argparse
import signal
import sys
from datetime import datetime, timezone

from endpoint.cli.person import calling_person
from endpoint.config.model import Config
from endpoint.config.read import database_url, read_config
from endpoint.core.audit import AuditAction
from endpoint.errors import StoreError
from endpoint.store.audit import Audit
from endpoint.store.backup import Backup, back_up
from endpoint.store.session import open_database

_MIB = 1 << 20
_ENDING = (signal.SIGTERM, signal.SIGHUP)


def run(arguments: argparse.Namespace) -> None:
    """Copy the database as the caller, not as the database's owner: root may write where the owner may not.

    Raises:
        SystemExit: a signal has ended it; no incomplete copy is left.
    """
    for number in _ENDING:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as with nohup(1)
            signal.signal(number, _end)
    config, caller = read_config(arguments.config), calling_person()
    made = back_up(database_url(config), arguments.file, replace=arguments.replace)
    print(f"{made.file}: {made.size_bytes / _MIB:.1f} MiB, verified")
    print(f"to restore it, stop maestro-endpoint and run: {made.restore_with}")
    _note(config, made, caller)


def _note(config: Config, made: Backup, caller: str) -> None:
    """Record who has a copy of everything now. A database of an earlier version is not migrated for that."""
    try:
        with open_database(config, migrates=False) as database:
            now, file = datetime.now(timezone.utc), str(made.file.absolute())
            Audit(database).note(now, caller, AuditAction.BACKUP_MADE, file)
    except StoreError as error:
        print(f"the backup is not recorded in the audit: {error}", file=sys.stderr)


def _end(number: int, _frame: object) -> None:
    """End the process, as the signal would, but after the blocks that remove what is incomplete."""
    for one in _ENDING:
        signal.signal(one, signal.SIG_IGN)
    raise SystemExit(128 + number)
