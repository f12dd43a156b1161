"""Faults of a source, of its repository and of the machine: what happens before the fetch that is observed."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from tests.sources.bench import HOST, Bench
from tests.sources.forms import KEY
from tests.sources.server import Answer, Handler

_PORTAL = b"<!DOCTYPE html><html><head><title>Login</title></head><body>Please accept our terms.</body></html>\n"


def _nothing(_bench: Bench) -> None:
    """Change nothing."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One fault."""

    cause: Callable[[Bench], None] = _nothing
    codes: frozenset[str] = frozenset()
    """The fault codes that fit the cause, where apt blames the source for it; empty for a fault of the machine."""
    sign: str = ""
    """A part of apt's reason, if only with this one the source met the fault and not another one before."""
    http: bool = False
    """Whether it is a fault of the server."""
    later: bool = False
    """Whether it needs an earlier good fetch."""
    republishes: bool = False
    only_signed: bool = False
    """Whether it is a fault of the signature or of what is signed."""


def from_server(answer: Answer, *codes: str) -> Fault:
    def cause(bench: Bench) -> None:
        bench.server.answer = answer

    return Fault(cause=cause, codes=frozenset(codes), http=True)


def status(code: int, *codes: str, part: str = "") -> Fault:
    def answer(handler: Handler) -> bool:
        if part in handler.path:
            handler.send_error(code)
            return True
        return False

    return replace(from_server(answer, *codes), sign=str(code))


def of_files(part: str, send: Callable[[Handler, bytes], None], *codes: str) -> Fault:
    """Return a fault of the files whose path holds `part`."""

    def answer(handler: Handler) -> bool:
        content = handler.content() if part in handler.path else None
        if content is None:
            return False
        send(handler, content)
        return True

    return from_server(answer, *codes)


def _truncated(handler: Handler, content: bytes) -> None:
    handler.send_body(content[: len(content) // 2], length=len(content))


def _shorter(handler: Handler, content: bytes) -> None:
    handler.send_body(content[: len(content) // 2])


def _damaged(handler: Handler, content: bytes) -> None:
    handler.send_body(content[:-1] + bytes([content[-1] ^ 1]))


def _portal(handler: Handler) -> bool:
    handler.send_body(_PORTAL)
    return True


def _redirected_portal(handler: Handler) -> bool:
    handler.redirect("/login.html")
    return True


def _moved(handler: Handler) -> bool:
    handler.redirect(f"/moved{handler.path}", 301)
    return True


def _loop(handler: Handler) -> bool:
    handler.redirect(handler.path)
    return True


def _to_refused(handler: Handler) -> bool:
    handler.redirect(f"https://{HOST}:1{handler.path}")
    return True


def _reset(handler: Handler) -> bool:
    handler.reset()
    return True


def _silent(handler: Handler) -> bool:
    handler.state.closing.wait(20)
    handler.close_connection = True
    return True


def renamed(field: str) -> Fault:
    def cause(bench: Bench) -> None:
        bench.names[field] = f"{bench.names[field]}-renamed"
        bench.publish()

    return Fault(cause=cause, codes=frozenset({"release-changed"}), later=True, republishes=True)


def _dns(bench: Bench) -> None:
    bench.machine.write("/etc/hosts", "127.0.0.1 localhost\n")


def _gone(bench: Bench) -> None:
    for place in bench.form.places:
        shutil.rmtree(bench.machine.path(f"/srv/{place}"))


def configured(line: str) -> Fault:
    return Fault(cause=lambda bench: bench.machine.write("/etc/apt/apt.conf.d/99row-fault", f"{line}\n"))


def written(path: str, text: str) -> Fault:
    return Fault(cause=lambda bench: bench.machine.write(path, text))


def _short_timeout(bench: Bench) -> None:
    bench.machine.write("/etc/apt/apt.conf.d/99row-fault", 'Acquire::http::Timeout "1";\nAcquire::Retries "0";\n')
    bench.server.answer = _silent


def _wait_and_publish(bench: Bench) -> None:
    bench.publish(released=timedelta())


def _unreadable_key(bench: Bench) -> None:
    bench.machine.path(KEY).unlink()


UNREACHABLE = ("unreachable",)
UNAUTHORIZED = ("unauthorized",)
CORRUPT = ("corrupt",)
SIGNATURE = ("bad-signature",)

FAULTS: Mapping[str, Fault] = {
    "none": Fault(),
    "updated": Fault(cause=_wait_and_publish, later=True, republishes=True),
    "refused": Fault(cause=lambda bench: bench.server.stop(), codes=frozenset(UNREACHABLE), http=True),
    "dns": Fault(cause=_dns, codes=frozenset(UNREACHABLE), http=True),
    "reset": from_server(_reset, *UNREACHABLE),
    "silent": Fault(cause=_short_timeout, codes=frozenset(UNREACHABLE), http=True),
    "moved": from_server(_moved),
    "redirect-loop": from_server(_loop, "unreachable", "other"),
    "redirect-to-refused": from_server(_to_refused, *UNREACHABLE),
    "400": status(400, "unreachable", "other", *UNAUTHORIZED),
    "401": status(401, *UNAUTHORIZED),
    "403": status(403, *UNAUTHORIZED),
    "404": status(404, "not-found"),
    "407": status(407, *UNAUTHORIZED),
    "410": status(410, "not-found"),
    "429": status(429, *UNREACHABLE),
    "500": status(500, *UNREACHABLE),
    "502": status(502, *UNREACHABLE),
    "503": status(503, *UNREACHABLE),
    "lists-403": status(403, *UNAUTHORIZED, part="Packages"),
    "lists-404": status(404, "not-found", part="Packages"),
    "release-503": status(503, *UNREACHABLE, part="Release"),
    "gone": Fault(cause=_gone, codes=frozenset({"not-found"}), republishes=True),
    "wrong-key": Fault(
        cause=lambda bench: bench.publish(bench.stranger),
        codes=frozenset(SIGNATURE),
        republishes=True,
        only_signed=True,
    ),
    "missing-key": Fault(cause=_unreadable_key, codes=frozenset({*SIGNATURE, "unsigned"}), only_signed=True),
    "expired": Fault(
        cause=lambda bench: bench.publish(valid_for=timedelta(seconds=-30)),
        codes=frozenset({"expired"}),
        republishes=True,
        only_signed=True,
    ),
    "not-yet-valid": Fault(
        cause=lambda bench: bench.publish(released=timedelta(days=1)),
        codes=frozenset({"not-yet-valid"}),
        republishes=True,
        only_signed=True,
    ),
    "portal": from_server(_portal, *CORRUPT),
    "redirected-portal": from_server(_redirected_portal, *CORRUPT, "not-found"),
    "truncated-release": of_files("Release", _truncated, *CORRUPT, *UNREACHABLE),
    "truncated-list": of_files("Packages", _truncated, *CORRUPT, *UNREACHABLE, "not-found"),  # the unpacked list
    "shorter-list": of_files("Packages", _shorter, *CORRUPT),
    "damaged-list": of_files("Packages", _damaged, *CORRUPT),
    "damaged-release": of_files("Release", _damaged, *CORRUPT, *SIGNATURE),
    "label-changed": renamed("Label"),
    "codename-changed": renamed("Codename"),
    "origin-changed": renamed("Origin"),
    "suite-changed": renamed("Suite"),
    "hook-after-success": configured('APT::Update::Post-Invoke-Success {"false";};'),
    "hook-after": configured('APT::Update::Post-Invoke {"echo hook words >&2; exit 3";};'),
    "hook-before": configured('APT::Update::Pre-Invoke {"false";};'),
    "bad-preferences": written("/etc/apt/preferences.d/bad", "Package: *\nPin-Priority: 900\n"),
    "bad-source": written("/etc/apt/sources.list.d/bad.list", "deb http://archive.test\n"),
}
