"""Reads advisory files: one JSON file of KEV, and a directory with OSV records as .json files or .zip archives."""

import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from endpoint.core.advisories.kev import read_kev
from endpoint.core.advisories.model import KevCatalogue, OsvRecord
from endpoint.core.advisories.osv import read_osv
from endpoint.core.json_body import parse_json
from endpoint.errors import RefusedError, UsageError

_MAX_BYTES = 64 << 20
_NAMED = 3


def read_kev_file(file: Path) -> KevCatalogue:
    """Read CISA's catalogue.

    Raises:
        UsageError: it cannot be read, or is no such catalogue.
    """
    try:
        if file.stat().st_size > _MAX_BYTES:
            raise UsageError(f"{file}: larger than {_MAX_BYTES} bytes")
        return read_kev(json.loads(file.read_bytes()))
    except OSError as error:
        raise UsageError(f"{file}: cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{file}: {error}") from error


@dataclass(slots=True, kw_only=True)
class OsvDirectory:
    """A directory with OSV records, read one at a time; counts what could not be read."""

    directory: Path
    refused: int = 0
    faults: list[str] = field(default_factory=list)
    """The first few, each with its file."""

    def records(self) -> Iterator[OsvRecord]:
        """Read all records below the directory, in the order of their names.

        Raises:
            UsageError: there is no such directory, or neither a .json file nor a .zip archive in it.
        """
        if not self.directory.is_dir():
            raise UsageError(f"{self.directory}: is not a directory")
        files = sorted(one for one in self.directory.rglob("*") if one.suffix in {".json", ".zip"} and one.is_file())
        if not files:
            raise UsageError(f"{self.directory}: has neither a .json file nor a .zip archive")
        for file in files:
            yield from self._archived(file) if file.suffix == ".zip" else self._plain(file)

    def _plain(self, file: Path) -> Iterator[OsvRecord]:
        try:
            data = file.read_bytes() if file.stat().st_size <= _MAX_BYTES else None
        except OSError as error:
            self._refuse(str(file), str(error.strerror))
            return
        yield from self._record(str(file), data)

    def _archived(self, file: Path) -> Iterator[OsvRecord]:
        try:
            with zipfile.ZipFile(file) as archive:
                for member in archive.infolist():
                    if member.filename.endswith(".json"):
                        data = archive.read(member) if member.file_size <= _MAX_BYTES else None
                        yield from self._record(f"{file}: {member.filename}", data)
        # NotImplementedError, RuntimeError: a compression that Python lacks, a password
        except (OSError, EOFError, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
            self._refuse(str(file), str(error))

    def _record(self, place: str, data: bytes | None) -> Iterator[OsvRecord]:
        """Yield the record, if it is of use."""
        if data is None:
            self._refuse(place, f"larger than {_MAX_BYTES} bytes")
            return
        try:
            found = read_osv(parse_json(data))
        except (ValueError, RefusedError) as error:
            self._refuse(place, str(error))
            return
        if found is not None:
            yield found

    def _refuse(self, place: str, fault: str) -> None:
        self.refused += 1
        if len(self.faults) < _NAMED:
            self.faults.append(f"{place}: {fault}")
