"""Small documents under /run that one process writes and others read; replaced atomically. Light.

Users other than root may write to the directory, so no link is followed and no pipe is waited for.
"""

import json
import os
from collections.abc import Mapping
from contextlib import suppress

from agent.core.redact import redact_document
from agent.errors import RecordError
from agent.state.json_reader import JsonReader
from agent.state.safe_open import open_new, open_regular

_MAX_BYTES = 65536


def read_runtime_file(path: str) -> JsonReader | None:
    """Return the document; None if there is no file.

    Raises:
        RecordError: the file cannot be read.
    """
    try:
        with open(path, encoding="utf-8", opener=open_regular) as file:
            return JsonReader(json.loads(file.read(_MAX_BYTES)), path)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise RecordError(f"{path}: cannot be read: {error}") from error


def write_runtime_file(path: str, document: Mapping[str, object], mode: int | None = None) -> None:
    """Replace the document; best effort, only readers of `status` depend on it."""
    temporary = f"{path}.new"
    with suppress(OSError):
        with open(temporary, "w", encoding="utf-8", opener=open_new) as file:
            if mode is not None:
                os.fchmod(file.fileno(), mode)
            file.write(json.dumps(redact_document(document)))
        os.replace(temporary, path)
