"""The sentence of each log event, from its fields. Pure; never raises, whatever the fields hold.

A sentence is one line. Lists are cut to a length, with the number of what was left out, so that a reason behind them
is still read; the fields of the event hold everything.
"""

from collections.abc import Callable, Mapping, Sequence

from agent.core.pattern import lazy_pattern

Fields = Mapping[str, object]
Sentence = Callable[[Fields], str]

MAX_MESSAGE = 1000
"""Characters of a message: syslog(3) implementations cut lines at 1024 bytes."""
_MAX_LIST = 400
"""Characters of one list in a message; one item is always shown."""
_MAX_REASON = 300
_FAILED = " failed"
_UNPRINTABLE = lazy_pattern(r"[\x00-\x20\x7f-\x9f\u2028\u2029\ud800-\udfff]+")


def one_line(text: object, limit: int = MAX_MESSAGE) -> str:
    """Return a text as one line without control characters, cut to a length in characters."""
    line = _UNPRINTABLE.sub(" ", str(text)).strip()
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


def sentence(template: str) -> Sentence:
    """Return the sentence of a template for `str.format`; a field that is missing or None is left empty."""
    return lambda fields: template.format_map(_Blank(fields))


def with_reason(start: str, field: str = "error") -> Sentence:
    """Return a sentence that ends with a reason, if the field has one."""
    head = sentence(start)
    return lambda fields: f"{head(fields)}{_reason(fields.get(field))}"


def failed_upgrade_sentence() -> Sentence:
    """Return the sentence of a run that failed."""
    return upgrade_sentence(_FAILED)


def upgrade_sentence(how: str = "") -> Sentence:
    """Return the sentence of an upgrade run: the failures first, so that a long list does not hide them."""

    def render(fields: Fields) -> str:
        failed = _numbered(fields, "failed", "{count} failed")
        if how == _FAILED and len(_items(fields, "failed")) == 1:  # the word is there already
            failed = _items(fields, "failed")
        installed = _counted(fields, "installed", "installed", "package")
        removed = _counted(fields, "removed", "removed", "package")
        repaired = _counted(fields, "repaired", "repaired", "package")
        held = _numbered(fields, "held", "{count} held back")
        parts = [*failed, *installed, *removed, *repaired, *held]
        message = one_line(fields.get("message") or "", _MAX_REASON)
        text = "; ".join([*parts, *([message] if message else [])]) or "nothing to install"
        return f"upgrade {fields.get('run', '')}{how}: {text}"

    return render


def check_sentence(fields: Fields) -> str:
    """Return what a check found."""
    what = "security update" if fields.get("scope") == "security" else "update"
    count = len(_items(fields, "install"))
    state = str(fields.get("lists", "unknown"))
    none = f"no {what} is pending" if state in {"fresh", "partial"} else "pending updates unknown"
    pending = _counted(fields, "install", "pending", what) or [none]
    held = _numbered(fields, "held", "{count} held back")
    broken = _numbered(fields, "repair", "{count} unfinished or broken")
    lists = "no package lists" if state == "never" else f"package lists {state}"
    plan = f"plan {fields['plan']}" if count and fields.get("plan") else ""
    return f"check: {'; '.join([*pending, *held, *broken, lists, *([plan] if plan else [])])}"


def lists_sentence(fields: Fields) -> str:
    """Return which sources could not be refreshed."""
    errors = _items(fields, "errors")
    count = f"{len(errors)} package source{'s' if len(errors) != 1 else ''}"
    return f"{count} could not be refreshed: {_joined(errors, '; ')}"


def prefetch_sentence(fields: Fields) -> str:
    """Return what could not be downloaded in advance, and why."""
    failed = _items(fields, "failed")
    return f"packages could not be downloaded in advance{_reason(_joined(failed) or fields.get('error'))}"


def export_sentence(fields: Fields) -> str:
    """Return what an exporter sent, what is queued, and what is wrong."""
    sent = one_line(fields.get("sent") or "nothing sent", _MAX_REASON)
    queued = f"; {fields['queued']} events queued" if fields.get("queued") else ""
    return f"{fields.get('exporter', '')}: {sent}{queued}{_reason(fields.get('problem'))}"


def reboot_sentence(fields: Fields) -> str:
    """Return that a reboot is required, and by which packages."""
    names = _joined(_items(fields, "packages"))
    return f"a reboot is required{f' by {names}' if names else ''}: `maestro-agent explain reboot`"


def endpoint_request_sentence(fields: Fields) -> str:
    """Return the new state of a request of the endpoint, who it is from, and why it was refused or has failed."""
    head = f"request {fields.get('request', '')} ({fields.get('verb', '')}) of {fields.get('requested_by', '')}"
    return f"{head}: {fields.get('state', '')}{_reason(fields.get('why'))}{_reason(fields.get('detail'))}"


def hook_sentence(fields: Fields) -> str:
    """Return how a hook of notify.d ended, with its output."""
    head = f"notify.d/{fields.get('hook', '')} ({fields.get('what', '')})"
    output = one_line(fields.get("output") or "", _MAX_REASON)
    return f"{head}{_reason(fields.get('error')) or ' ran'}{f': {output}' if output else ''}"


def engine_hook_sentence(fields: Fields) -> str:
    """Return how a hook before or after a change ended, with its output."""
    output = one_line(fields.get("output") or "", _MAX_REASON)
    return f"hook {fields.get('hook', '')}{_reason(fields.get('error')) or ' ran'}{f': {output}' if output else ''}"


def engine_sentence(fields: Fields) -> str:
    """Return how an upgrade of Docker or Weave ended: the lost containers first."""
    lost = _counted(fields, "lost", "lost", "container")
    changed = _counted(fields, "packages", "changed", "package")
    blocked = _numbered(fields, "blocked", "{count} blocked")
    down = [f"engine down {fields['engine_down_s']} s"] if fields.get("engine_down_s") is not None else []
    message = one_line(fields.get("message") or "", _MAX_REASON)
    parts = [*lost, *blocked, *changed, *down, *([message] if message else [])]
    head = f"{fields.get('component', 'engine')} upgrade {fields.get('run', '')}: {fields.get('result', '')}"
    versions = f", {fields.get('before') or 'nothing'} ran, {fields.get('running') or 'nothing'} runs"
    return f"{head}{versions}{'; ' if parts else ''}{'; '.join(parts)}"


def restart_sentence(fields: Fields) -> str:
    """Return how a restart of services ended: the failed ones first."""
    failed = _counted(fields, "failed", "failed", "service")
    restarted = _counted(fields, "restarted", "restarted", "service")
    left = _counted(fields, "left", "left", "unit")
    head = f"restart of services {fields.get('run', '')}: {fields.get('result', '')}"
    return "; ".join((head, *failed, *restarted, *left))


def reboot_outcome_sentence(fields: Fields) -> str:
    """Return how a reboot ended: what is wrong first."""
    problems = _numbered(fields, "problems", "{count} wrong")
    blocked = [one_line(fields["blocked"], _MAX_REASON)] if fields.get("blocked") else []
    down = [f"down for {fields['downtime_s']} s"] if fields.get("downtime_s") is not None else []
    lock = {"kept": ["the fleet lock is kept"], "releasing": ["the fleet lock is not released yet"]}
    message = one_line(fields.get("message") or "", _MAX_REASON)
    parts = [*problems, *blocked, *down, *lock.get(str(fields.get("lock")), []), *([message] if message else [])]
    head = f"reboot {fields.get('run', '')}: {fields.get('result', '')}"
    return f"{head}{'; ' if parts else ''}{'; '.join(parts)}"


def started_sentence(fields: Fields) -> str:
    """Return which job started, and who requested it."""
    requested_by = fields.get("requested_by")
    return f"{fields.get('job', 'job')} started{f', requested by {requested_by}' if requested_by else ''}"


def daemon_sentence(fields: Fields) -> str:
    """Return that the daemon started, and what it does by itself."""
    does = "checks and upgrades" if fields.get("upgrade") else "checks only (agent.upgrade = false)"
    return f"daemon {fields.get('version', '')} started: {does}"


def stopped_sentence(fields: Fields) -> str:
    """Return that the daemon stopped; a running job does not."""
    job = fields.get("job")
    return f"daemon stopped{f'; the running {job} continues' if job else ''}"


class _Blank(dict[str, object]):
    """The fields for `str.format_map`: None and missing ones are empty, lists are joined."""

    def __getitem__(self, name: str) -> object:
        found = self.get(name)
        return _joined(found) if isinstance(found, list | tuple) else "" if found is None else one_line(found)


def _items(fields: Fields, name: str) -> list[str]:
    found = fields.get(name)
    return [one_line(item, _MAX_REASON) for item in found] if isinstance(found, list | tuple) else []


def _joined(items: Sequence[object], separator: str = ", ") -> str:
    """Join items up to a length; say how many are left out."""
    shown: list[str] = []
    for item in (one_line(one, _MAX_REASON) for one in items):
        if shown and sum(map(len, shown)) + len(item) > _MAX_LIST:
            return f"{separator.join(shown)} and {len(items) - len(shown)} more"
        shown.append(item)
    return separator.join(shown)


def _numbered(fields: Fields, name: str, head: str) -> list[str]:
    """Return "1 failed: foo (unpack): …" as a list of one; empty if there are no items."""
    items = _items(fields, name)
    return [f"{head.format(count=len(items))}: {_joined(items)}"] if items else []


def _counted(fields: Fields, name: str, verb: str, noun: str) -> list[str]:
    """Return "installed a 1 -> 2, b 3 (2 packages)" as a list of one; empty if there are no items."""
    items = _items(fields, name)
    return [f"{verb} {_joined(items)} ({len(items)} {noun}{'s' if len(items) != 1 else ''})"] if items else []


def _reason(reason: object) -> str:
    """Return a reason as the end of a sentence; one of several lines is a list, such as that of a configuration."""
    return f": {one_line('; '.join(str(reason).splitlines()), _MAX_REASON)}" if reason else ""
