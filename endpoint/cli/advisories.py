"""`maestro-endpoint advisories`: load CISA's KEV and OSV files, and show what is loaded."""

import argparse
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

from endpoint.cli.person import calling_person
from endpoint.config.model import AdvisoryConfig
from endpoint.config.read import read_config
from endpoint.core.advisories.text import loaded_line, source_lines
from endpoint.core.audit import AuditAction
from endpoint.errors import ConfigError
from endpoint.store.advisories import Advisories
from endpoint.store.advisory_files import OsvDirectory, read_kev_file
from endpoint.store.advisory_load import AdvisoryLoader
from endpoint.store.audit import Audit
from endpoint.store.database import Database
from endpoint.store.session import open_database


def run(arguments: argparse.Namespace) -> None:
    """Run the action that `advisories` was given."""
    config, now, caller = read_config(arguments.config), datetime.now(timezone.utc), calling_person()
    if arguments.action == "load" and not (config.advisories.kev_file or config.advisories.osv_directory):
        raise ConfigError("neither advisories.kev_file nor advisories.osv_directory is set: there is nothing to load")
    with open_database(config) as database:
        if arguments.action == "load":
            for line in _load(database, config.advisories, now):
                print(line)
                Audit(database).note(now, caller, AuditAction.ADVISORIES_LOADED, "advisories", line)
        else:
            print("\n".join(source_lines(Advisories(database).sources(), now)))


def _load(database: Database, config: AdvisoryConfig, now: datetime) -> Iterator[str]:
    """Load the files; yield what was loaded of each."""
    loader = AdvisoryLoader(database)
    if config.kev_file:
        catalogue = read_kev_file(Path(config.kev_file))
        loader.load_kev(catalogue, Path(config.kev_file), now)
        yield loaded_line(config.kev_file, len(catalogue.entries), catalogue.refused)
    if config.osv_directory:
        directory = OsvDirectory(directory=Path(config.osv_directory))
        loaded = loader.load_osv(directory, now)
        yield "; ".join([loaded_line(config.osv_directory, loaded, directory.refused), *directory.faults])
