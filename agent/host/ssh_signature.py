"""Signatures of OpenSSH keys, checked by ssh-keygen(1) (`-Y check-novalidate`, `find-principals`, `verify`)."""

import shutil
from collections.abc import Sequence
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
        HostError: ssh-keygen is not installed.
        OSError: there is no verdict: it was killed or is too slow, or a file cannot be written or read.
    """
    with TemporaryDirectory(prefix="maestro-request-") as directory:  # mode 0700
        files = _Files(Path(directory), message, signature)
        if files.run("check-novalidate", "-n", namespace).code != 0:
            return SignatureFault.BAD
        # In local time: OpenSSH before 9.1 knows no other.
        time = ("-O", f"verify-time={at.astimezone():%Y%m%d%H%M%S}") if at is not None else ()
        if files.run("find-principals", "-f", signers, *time).code == 0:
            # Line by line: it stops at the first one with the key, and asks for no namespace.
            for line in Path(signers).read_bytes().split(b"\n"):
                if principal := files.principal_of(line, namespace, time):
                    return one_line(principal)
    return SignatureFault.UNKNOWN_SIGNER


class _Files:
    def __init__(self, directory: Path, message: bytes, signature: str) -> None:
        self._message, self._signature, self._line = (directory / name for name in ("message", "signature", "line"))
        self._message.write_bytes(message)
        self._signature.write_text(signature, encoding="ascii")

    def principal_of(self, line: bytes, namespace: str, time: Sequence[str]) -> str:
        """Return the principal of one line of an allowed-signers file for which the signature is good; empty: none."""
        if line.strip()[:1] in {b"", b"#"}:
            return ""
        self._line.write_bytes(line + b"\n")
        found = self.run("find-principals", "-f", str(self._line), *time)
        for principal in found.output.splitlines()[:_MOST_PRINCIPALS] if found.code == 0 else ():
            if self.run("verify", "-f", str(self._line), "-I", principal, "-n", namespace, *time).code == 0:
                return principal
        return ""

    def run(self, action: str, *options: str) -> ProgramResult:
        arguments = [_PROGRAM, "-Y", action, "-s", str(self._signature), *options]
        done = run_program(arguments, limit_s=_LIMIT_S, input_file=str(self._message))
        if done.code is None and shutil.which(_PROGRAM) is None:
            raise HostError(f"{_NO_PROGRAM} ({done.output})")
        if done.code is None or done.code < 0:
            raise ChildProcessError(done.output if done.code is None else f"{_PROGRAM}: killed by signal {-done.code}")
        return done
