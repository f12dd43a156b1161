"""Reads advisory files: one JSON file of KEV, and a directory with OSV records as .json files or .zip archives."""

import json
import lzma
import os
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path

from endpoint.core.advisories.kev import read_kev
from endpoint.core.advisories.model import KevCatalogue, OsvRecord
from endpoint.core.advisories.osv import read_osv
from endpoint.core.json_body import parse_json
from endpoint.errors import RefusedError, SourceError

_MAX_BYTES = 64 << 20
_NAMED = 3
_SUFFIXES = {".json", ".zip"}
_DAMAGED = (
    *(OSError, EOFError, ValueError, struct.error, zipfile.BadZipFile, zlib.error, lzma.LZMAError),
    RuntimeError,  # a compression that Python lacks, a password
)
"""What `zipfile` raises, depending on where an archive is damaged."""


def read_kev_file(file: Path) -> KevCatalogue:
    """Read CISA's catalogue.

    Raises:
        SourceError: it cannot be read, or is no such catalogue.
    """
    try:
        if file.stat().st_size > _MAX_BYTES:
            raise SourceError(f"{file}: larger than {_MAX_BYTES} bytes")
        return read_kev(json.loads(file.read_bytes()))
    except OSError as error:
        raise SourceError(f"{file}: cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise SourceError(f"{file}: {error}") from error


@dataclass(slots=True, kw_only=True)
class OsvDirectory:
    """A directory with OSV records, read one at a time; counts the records that are of no use.

    A file that is damaged or cut short ends the reading: its records would be missing, and nobody would notice.
    """

    directory: Path
    refused: int = 0
    faults: list[str] = field(default_factory=list)
    """The first few, each with its file."""

    def records(self) -> Iterator[OsvRecord]:
        """Read all records below the directory, in the order of their names.

        Raises:
            SourceError: the directory or a file in it is missing, damaged or cut short, or it has neither a .json file
                nor a .zip archive.
        """
        files = self._files()
        if not files:
            raise SourceError(f"{self.directory}: has neither a .json file nor a .zip archive")
        for file in files:
            yield from self._archived(file) if file.suffix == ".zip" else self._plain(file)

    def _files(self) -> list[Path]:
        def stop(error: OSError) -> None:
            raise error

        walked = os.walk(self.directory, onerror=stop)
        try:
            found = [Path(parent, name) for parent, _, names in walked for name in names]
            # A link that leads nowhere is a file that is missing.
            return sorted(one for one in found if one.suffix in _SUFFIXES and (one.is_file() or one.is_symlink()))
        except OSError as error:
            raise SourceError(f"{error.filename}: cannot be read: {error.strerror}") from error

    def _plain(self, file: Path) -> Iterator[OsvRecord]:
        try:
            data = file.read_bytes() if file.stat().st_size <= _MAX_BYTES else None
        except OSError as error:
            raise SourceError(f"{file}: cannot be read: {error.strerror}") from error
        yield from self._record(str(file), data, is_file=True)

    def _archived(self, file: Path) -> Iterator[OsvRecord]:
        try:
            with zipfile.ZipFile(file) as archive:
                for member in archive.infolist():
                    if member.filename.endswith(".json"):
                        data = archive.read(member) if member.file_size <= _MAX_BYTES else None
                        yield from self._record(f"{file}: {member.filename}", data, is_file=False)
        except _DAMAGED as error:
            raise SourceError(f"{file}: {error}") from error

    def _record(self, place: str, data: bytes | None, *, is_file: bool) -> Iterator[OsvRecord]:
        """Yield the record, if it is of use. Those of an archive have checksums: one that is no JSON is not damaged."""
        if data is None:
            self._refuse(place, f"larger than {_MAX_BYTES} bytes")
            return
        try:
            found = read_osv(parse_json(data))
        except RefusedError as error:
            if is_file and error.status == HTTPStatus.BAD_REQUEST:
                raise SourceError(f"{place}: {error}") from error
            self._refuse(place, str(error))
        except ValueError as error:
            self._refuse(place, str(error))
        else:
            if found is not None:
                yield found

    def _refuse(self, place: str, fault: str) -> None:
        self.refused += 1
        if len(self.faults) < _NAMED:
            self.faults.append(f"{place}: {fault}")
