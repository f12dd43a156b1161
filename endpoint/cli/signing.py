"""Signs requests with `ssh-keygen`: here, or elsewhere by way of files.

A command may become the owner of SQLite's file, who must not be able to use the person's key and files: a child
process that still is the person waits for what is to be signed. That comes from the database: it is checked, and no
pickle, which could be a program.
"""

import json
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

from endpoint.core.requests import SIGNATURE, SIGNATURE_NAMESPACE
from endpoint.core.signing_text import signing_text
from endpoint.errors import EndpointError, UsageError

Sign = Callable[[Mapping[str, str]], dict[str, str]]
"""Takes canonical forms by id, returns signatures by id. It raises `UsageError` if the key or a file cannot be used,
and `EndpointError` if there is no `ssh-keygen`."""
_TIMEOUT_S = 600.0
"""A person may have to type a passphrase, or to touch a key."""
_END_S = 5.0
FILES_OF_A_CALL = 10_000
"""Their names have to fit into the arguments of a program, 2 MiB by default (execve(2))."""


@contextmanager
def as_caller(work: Sign) -> Iterator[Sign]:
    """Return what does `work` as the user who runs this command, once; open it before the database."""
    ours, theirs = get_context("fork").Pipe()
    child = get_context("fork").Process(target=_serve, args=(work, ours, theirs), daemon=True)
    child.start()
    theirs.close()

    def sign(forms: Mapping[str, str]) -> dict[str, str]:
        ours.send_bytes(json.dumps(dict(forms)).encode())
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
        child.terminate()  # one that waits for a passphrase does not outlive the command


def _serve(work: Sign, unused: Connection, connection: Connection) -> None:
    unused.close()
    with suppress(KeyboardInterrupt):  # typed instead of the passphrase: it interrupts the command, too
        _answer(work, connection)


def _answer(work: Sign, connection: Connection) -> None:
    try:
        forms = json.loads(connection.recv_bytes())
    except EOFError:
        return  # nothing was to be signed
    try:
        signing_text(forms)
        connection.send(work(forms))
    except EndpointError as error:
        connection.send(error)


def sign_with(key: Path, forms: Mapping[str, str]) -> dict[str, str]:
    """Sign canonical forms, by id, with as few calls as possible: each may ask for the passphrase.

    Raises:
        EndpointError: `ssh-keygen` is not installed, or does not end.
        UsageError: the key cannot be used.
    """
    with tempfile.TemporaryDirectory(prefix="maestro-endpoint-") as place:
        directory = Path(place)
        for identity, form in forms.items():
            (directory / identity).write_bytes(form.encode())
        names = list(forms)
        for first in range(0, len(names), FILES_OF_A_CALL):
            _sign_files(key, directory, names[first : first + FILES_OF_A_CALL])
        return {identity: (directory / f"{identity}.sig").read_text(encoding="ascii") for identity in forms}


def _sign_files(key: Path, directory: Path, names: Sequence[str]) -> None:
    command = ["ssh-keygen", "-Y", "sign", "-f", str(key.absolute()), "-n", SIGNATURE_NAMESPACE, *names]
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


def write_forms(directory: Path, forms: Mapping[str, str]) -> dict[str, str]:
    """Write each form into a file named by its id, for a machine that has the key; return no signatures.

    Raises:
        UsageError: a file cannot be written.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for identity, form in forms.items():
            (directory / identity).write_bytes(form.encode())
    except OSError as error:
        raise UsageError(f"cannot write the requests: {error}") from error
    return {}


def read_signatures(directory: Path, forms: Mapping[str, str]) -> dict[str, str]:
    """Read the signatures of these forms that `ssh-keygen` wrote beside the files; others keep waiting.

    Raises:
        UsageError: there is none, or a file is no signature.
    """
    found = {}
    try:
        for identity in forms:
            file = directory / f"{identity}.sig"
            if file.exists():
                found[identity] = file.read_text(encoding="ascii")
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot read the signatures: {error}") from error
    if not found:
        raise UsageError(f"{directory} has no signature of these requests, as ID.sig")
    if wrong := [identity for identity, text in found.items() if not SIGNATURE.fullmatch(text)]:
        raise UsageError(f"{directory}/{wrong[0]}.sig is no signature of OpenSSH")
    return found
