"""`maestro-endpoint advisories`: load CISA's KEV and OSV files, and show what is loaded."""

import argparse
from datetime import datetime, timezone
from pathlib import Path

from endpoint.config.model import AdvisoryConfig
from endpoint.config.read import read_config
from endpoint.core.advisories.text import loaded_line, source_lines
from endpoint.errors import ConfigError
from endpoint.store.advisories import Advisories
from endpoint.store.advisory_files import OsvDirectory, read_kev_file
from endpoint.store.advisory_load import AdvisoryLoader
from endpoint.store.database import Database
from endpoint.store.session import open_database


def run(arguments: argparse.Namespace) -> None:
    """Run the action that `advisories` was given."""
    config, now = read_config(arguments.config), datetime.now(timezone.utc)
    if arguments.action == "load" and not (config.advisories.kev_file or config.advisories.osv_directory):
        raise ConfigError("neither advisories.kev_file nor advisories.osv_directory is set: there is nothing to load")
    with open_database(config) as database:
        if arguments.action == "load":
            _load(database, config.advisories, now)
        else:
            print("\n".join(source_lines(Advisories(database).sources(), now)))


def _load(database: Database, config: AdvisoryConfig, now: datetime) -> None:
    loader = AdvisoryLoader(database)
    if config.kev_file:
        catalogue = read_kev_file(Path(config.kev_file))
        loader.load_kev(catalogue, Path(config.kev_file), now)
        print(loaded_line(config.kev_file, len(catalogue.entries), catalogue.refused))
    if config.osv_directory:
        directory = OsvDirectory(directory=Path(config.osv_directory))
        loaded = loader.load_osv(directory, now)
        print("\n".join([loaded_line(config.osv_directory, loaded, directory.refused), *directory.faults]))
