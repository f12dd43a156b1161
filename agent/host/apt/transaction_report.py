"""Composes the report of a transaction from dpkg's status lines, its output, and libapt's error."""

from pathlib import Path

from agent.core.model.package import PackageId
from agent.core.model.transaction import TransactionReport
from agent.core.pattern import lazy_pattern
from agent.core.redact import redact
from agent.host.dpkg.child import ChildReport
from agent.host.dpkg.names import reported_package
from agent.host.dpkg.output import DpkgError, DpkgOutput

FATAL, HOOK, LIBAPT = "fatal", "hook", "error"
"""Values of the child: whether dpkg could not work at all, the hook that failed, and libapt's error."""

_OF_PACKAGES = lazy_pattern(r"Sub-process \S+ returned an error code \(1\)")
"""libapt's error when single packages failed, which are known by their own errors."""

Errors = dict[PackageId | str, str]


def transaction_report(child: ChildReport, output: DpkgOutput, log: Path) -> TransactionReport:
    """Return the errors of a transaction whose child has ended."""
    errors: Errors = dict(child.errors)
    for reported, error in output.errors.items():
        package = reported_package(reported, child.archives)
        if package is not None:
            key = _known(errors, package)
            errors[key] = _with_last_lines(errors.get(key, error.message), error)
    fatal = child.fatal or str(child.values.get(LIBAPT) or "")
    if errors and _OF_PACKAGES.fullmatch(fatal):
        fatal = ""
    if not child.complete:
        fatal = fatal or f"dpkg exited without reporting a result; see {log}"
    return TransactionReport(
        errors={package: redact(error) for package, error in errors.items()},
        fatal=redact(fatal),
        cause=redact(_cause(child, output)),
    )


def _known(errors: Errors, package: PackageId | str) -> PackageId | str:
    """Return the key of a package that is known in another form: dpkg's output and its status lines may differ."""
    if isinstance(package, PackageId):
        return package.name if package not in errors and package.name in errors else package
    return next((key for key in errors if isinstance(key, PackageId) and key.name == package), package)


def _with_last_lines(message: str, error: DpkgError) -> str:
    return f"{message}; its last output: {error.last_lines}" if error.last_lines else message


def _cause(child: ChildReport, output: DpkgOutput) -> str:
    """Return why no package could be processed; empty unless dpkg itself or a hook failed."""
    hook = str(child.values.get(HOOK) or "")
    if hook:
        return f"{hook}; its last output: {output.last_lines}" if output.last_lines else hook
    return output.fatal if child.values.get(FATAL) else ""
