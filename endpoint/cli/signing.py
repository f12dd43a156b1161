"""Signs requests with `ssh-keygen`, as the person who runs the command.

A command may become the owner of SQLite's file, who must not be able to read the person's key: a child process that
still is the person waits for what is to be signed.
"""

import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

from endpoint.core.requests import SIGNATURE_NAMESPACE
from endpoint.errors import EndpointError, UsageError

Sign = Callable[[Mapping[str, str]], dict[str, str]]
"""Takes canonical forms by id, returns signatures by id."""
_TIMEOUT_S = 600.0
"""A person may have to type a passphrase, or to touch a key."""
_END_S = 5.0


@contextmanager
def signer(key: Path) -> Iterator[Sign]:
    """Return what signs with this key, once; open it before the database.

    `Sign` raises `UsageError` if the key cannot be used, and `EndpointError` if there is no `ssh-keygen`.
    """
    ours, theirs = get_context("fork").Pipe()
    child = get_context("fork").Process(target=_serve, args=(key.absolute(), ours, theirs), daemon=True)
    child.start()
    theirs.close()

    def sign(forms: Mapping[str, str]) -> dict[str, str]:
        ours.send(dict(forms))
        try:
            found = ours.recv()
        except EOFError as error:
            raise EndpointError("the process that signs has ended") from error
        if isinstance(found, EndpointError):
            raise found
        return dict(found)

    try:
        yield sign
    finally:
        ours.close()
        child.join(_END_S)


def _serve(key: Path, unused: Connection, connection: Connection) -> None:
    unused.close()
    try:
        forms = connection.recv()
    except EOFError:
        return  # nothing was to be signed
    try:
        connection.send(sign_all(key, forms))
    except EndpointError as error:
        connection.send(error)


def sign_all(key: Path, forms: Mapping[str, str]) -> dict[str, str]:
    """Sign canonical forms, by id, with one call.

    Raises:
        EndpointError: `ssh-keygen` is not installed, or does not end.
        UsageError: the key cannot be used.
    """
    with tempfile.TemporaryDirectory(prefix="maestro-endpoint-") as place:
        directory = Path(place)
        for identity, form in forms.items():
            (directory / identity).write_bytes(form.encode())
        command = ["ssh-keygen", "-Y", "sign", "-f", str(key), "-n", SIGNATURE_NAMESPACE, *forms]
        try:
            done = subprocess.run(
                command, cwd=directory, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
                timeout=_TIMEOUT_S, check=False,
            )  # fmt: skip
        except FileNotFoundError as error:
            raise EndpointError("ssh-keygen is missing: `apt-get install openssh-client`") from error
        except (OSError, subprocess.SubprocessError) as error:
            raise EndpointError(f"ssh-keygen: {error}") from error
        if done.returncode != 0:
            last = (done.stderr.strip().splitlines() or [f"exit {done.returncode}"])[-1]
            raise UsageError(f"ssh-keygen cannot sign with {key}: {last[:256]}")
        return {identity: (directory / f"{identity}.sig").read_text(encoding="ascii") for identity in forms}
