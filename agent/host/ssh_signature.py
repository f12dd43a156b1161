"""Signatures of OpenSSH keys, checked by ssh-keygen(1) (`-Y check-novalidate`, `find-principals`, `verify`)."""

from datetime import datetime
from enum import Enum
from pathlib import Path
from tempfile import TemporaryDirectory

from agent.core.redact import one_line
from agent.errors import HostError
from agent.host.process.run import ProgramResult, run_program

_PROGRAM = "ssh-keygen"
_LIMIT_S = 10.0
"""For one call: none of them reads anything but the files that it is given."""
_MOST_PRINCIPALS = 8
_NO_PROGRAM = "ssh-keygen cannot be run: `apt-get install openssh-client`"


class SignatureFault(Enum):
    """Why a signature is not accepted."""

    BAD = "bad"
    """It is not one of these bytes for this namespace."""
    UNKNOWN_SIGNER = "unknown-signer"
    """Nobody in the file has this key, or not for this namespace or at this time."""


def find_signer(
    message: bytes, signature: str, signers: str, namespace: str, at: datetime | None = None
) -> str | SignatureFault:
    """Return the principal of the allowed-signers file `signers` whose key has signed the message, or why none has.

    `at` is when the key has to be valid; None: now.

    Raises:
        HostError: ssh-keygen cannot be run, or does not answer in time.
        OSError: the files for it cannot be written.
    """
    with TemporaryDirectory(prefix="maestro-request-") as directory:  # mode 0700
        files = _Files(Path(directory), message, signature)
        if files.run("check-novalidate", "-n", namespace).code != 0:
            return SignatureFault.BAD
        # In local time: OpenSSH before 9.1 knows no other.
        time = ("-O", f"verify-time={at.astimezone():%Y%m%d%H%M%S}") if at is not None else ()
        found = files.run("find-principals", "-f", signers, *time)
        if found.code != 0:
            return SignatureFault.UNKNOWN_SIGNER
        for principal in found.output.splitlines()[:_MOST_PRINCIPALS]:
            if files.run("verify", "-f", signers, "-I", principal, "-n", namespace, *time).code == 0:
                return one_line(principal)
    return SignatureFault.UNKNOWN_SIGNER


class _Files:
    def __init__(self, directory: Path, message: bytes, signature: str) -> None:
        self._message, self._signature = directory / "message", directory / "signature"
        self._message.write_bytes(message)
        self._signature.write_text(signature, encoding="ascii")

    def run(self, action: str, *options: str) -> ProgramResult:
        arguments = [_PROGRAM, "-Y", action, "-s", str(self._signature), *options]
        done = run_program(arguments, limit_s=_LIMIT_S, input_file=str(self._message))
        if done.code is None:
            raise HostError(f"{_NO_PROGRAM} ({done.output})")
        return done
