"""What the sender says of its work, for `status` and for the daemon, neither of which opens the outbox. Light.

One file under /run: it says what this boot has seen; what must outlive a boot is in the outbox.
"""

import json
import os
from collections.abc import Mapping
from contextlib import suppress

from agent.errors import RecordError
from agent.reading import Reader
from agent.regularfile import open_regular

TELLING_SCHEMA = "maestro.telling/1"
_FILE = "telling.json"
_LONGEST = 65536


def read_telling(run_dir: str) -> Reader | None:
    """Return `maestro.telling/1`; None where nothing was told since the machine booted.

    Raises:
        RecordError: it cannot be read.
    """
    path = os.path.join(run_dir, _FILE)
    try:
        with open(path, encoding="utf-8", opener=open_regular) as file:
            found = Reader(json.loads(file.read(_LONGEST)), path)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise RecordError(f"{path}: cannot be read: {error}") from error
    if found.text("schema") != TELLING_SCHEMA:
        raise RecordError(f"{path}: is of another version")
    return found


def write_telling(run_dir: str, document: Mapping[str, object]) -> None:
    """Replace what is said; that it cannot be written harms nobody but a reader of `status`."""
    path = os.path.join(run_dir, _FILE)
    temporary = f"{path}.new"
    with suppress(OSError):
        with open(temporary, "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), 0o644)
            file.write(json.dumps({"schema": TELLING_SCHEMA, **document}))
        os.replace(temporary, path)
