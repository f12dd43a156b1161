"""Small documents under /run that one process leaves for others: what was said last, whole or not at all. Light.

Others than root may write to the directory, so no link is followed and no pipe waited for.
"""

import json
import os
from collections.abc import Mapping
from contextlib import suppress

from agent.errors import RecordError
from agent.state.json_reader import JsonReader
from agent.state.safe_open import open_new, open_regular

_LONGEST = 65536


def read_runtime_file(path: str) -> JsonReader | None:
    """Return what was said last; None where nothing was.

    Raises:
        RecordError: it cannot be read.
    """
    try:
        with open(path, encoding="utf-8", opener=open_regular) as file:
            return JsonReader(json.loads(file.read(_LONGEST)), path)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise RecordError(f"{path}: cannot be read: {error}") from error


def write_runtime_file(path: str, document: Mapping[str, object], mode: int | None = None) -> None:
    """Replace what is said; that it cannot be written harms nobody but a reader of `status`."""
    temporary = f"{path}.new"
    with suppress(OSError):
        with open(temporary, "w", encoding="utf-8", opener=open_new) as file:
            if mode is not None:
                os.fchmod(file.fileno(), mode)
            file.write(json.dumps(document))
        os.replace(temporary, path)
