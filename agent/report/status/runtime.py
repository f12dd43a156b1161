"""What `status` says of what runs, as the last look saw it: the kernel, and services on replaced files. Light, pure.

What was seen in one boot says nothing of the next, so it is unknown again until somebody has looked.
"""

from datetime import datetime

from agent.core.schemas import Document
from agent.state.json_reader import JsonReader
from agent.state.timestamps import format_age

_SHOWN = 8


class CurrentBoot:
    """This very moment: which boot it is, and which kernel runs; None where that cannot be seen."""

    def __init__(self, boot_id: str | None = None, kernel: str | None = None) -> None:
        self.boot_id = boot_id
        self.kernel = kernel


def runtime_section(state: JsonReader | None, present: CurrentBoot) -> Document:
    """Return the `kernel` and the `services` of the status."""
    document: Document = {"kernel": {"running": present.kernel, "newest": None, "outdated": None}, "services": None}
    if state is None or present.boot_id is None or state.optional_text("boot_id") != present.boot_id:
        return document
    kernel, services = state.optional_child("kernel"), state.optional_child("services")
    if kernel is not None and kernel.optional_text("newest") is not None:
        names = {name: kernel.text(name) for name in ("running", "newest")}
        document["kernel"] = {**names, "outdated": kernel.boolean("outdated")}
    if services is not None:
        document["services"] = {
            "seen_at": state.text("generated_at"),
            "deleted_files": services.texts("deleted_files"),
        }
    return document


def runtime_lines(document: JsonReader, now: datetime) -> list[str]:
    """Render both for a person; nothing where nobody has ever looked."""
    if document.optional_child("plan") is None:
        return []
    kernel, services = document.child("kernel"), document.optional_child("services")
    return [f"Kernel       {_kernel(kernel)}", f"Restart      {_services(services, now)}"]


def _kernel(kernel: JsonReader) -> str:
    running, newest = kernel.optional_text("running") or "not known", kernel.optional_text("newest")
    if newest is None:
        return f"{running}; whether a newer one is installed is not known"
    if not kernel.boolean("outdated"):
        return f"{running}, the newest installed"
    return f"{running}; {'a newer build of it' if newest == running else newest} is installed and waits for a reboot"


def _services(services: JsonReader | None, now: datetime) -> str:
    if services is None:
        return "which services still run replaced files is not known"
    names = services.texts("deleted_files")
    seen = f"seen {format_age(services.time('seen_at'), now)}"
    if not names:
        return f"no service runs replaced files, {seen}"
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    still = "1 service still runs" if len(names) == 1 else f"{len(names)} services still run"
    return f"{still} replaced files, {seen}: {', '.join(names[:_SHOWN])}{more}"
