"""The stylesheet, the script and the icon, read once; their address changes with their content."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from flask import Response, request

from endpoint.errors import RefusedError

_FOLDER = Path(__file__).resolve().parent / "static"
_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
_FOR_EVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    data: bytes
    kind: str
    version: str


class StaticFiles:
    """Serves the files of the folder `static`, and nothing else: a name is looked up, never a path."""

    def __init__(self) -> None:
        self._files = {file.name: _read(file) for file in _FOLDER.iterdir() if file.suffix in _TYPES}

    def address(self, name: str) -> str:
        """Return the address of a file, with its version."""
        return f"/static/{name}?v={self._files[name].version}"

    def answer(self, name: str) -> Response:
        """Return a file.

        Raises:
            RefusedError: 404.
        """
        found = self._files.get(name)
        if found is None:
            raise RefusedError(404, "no such file")
        answer = Response(found.data, content_type=found.kind)
        # Another version was asked for: this one is right now, but is not what that address stands for.
        current = request.args.get("v") == found.version
        answer.headers["Cache-Control"] = _FOR_EVER if current else "no-cache"
        answer.set_etag(found.version)
        conditional: Response = answer.make_conditional(request)
        return conditional


def _read(file: Path) -> _File:
    data = file.read_bytes()
    return _File(data=data, kind=_TYPES[file.suffix], version=hashlib.sha256(data).hexdigest()[:16])
