"""Cross-checks of sections: values that are valid alone and contradict each other."""

import ipaddress
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from agent.config.reboot_parsers import ENDPOINT
from agent.config.schema import Value
from agent.core.policy.policy import DailyJobMode, RebootMode

Found = Mapping[str, tuple[Value, str]]
"""Value and source by dotted key name."""
_LOCK_ACCESS = ("fleetlock_ca_file", "fleetlock_token_file", "fleetlock_client_cert", "fleetlock_client_key")


def daily_job_problems(found: Found) -> Iterator[str]:
    """Yield a message if the distribution's daily job would be stood down and nothing would upgrade instead."""
    mode, source = found["unattended_upgrades.mode"]
    if mode is DailyJobMode.REPLACE and not found["agent.upgrade"][0]:
        yield f"{source}: unattended_upgrades.mode = 'replace': requires agent.upgrade = true, or nobody upgrades"


def exporter_problems(found: Found) -> Iterator[str]:
    """Yield one message for each contradiction in [endpoint], [otlp] and [requests]."""
    yield from _endpoint_problems(found)
    yield from _otlp_problems(found)
    allow, source = found["requests.allow"]
    if allow and not found["endpoint.url"][0]:
        yield f"{source}: requests.allow: requires endpoint.url, where requests come from"


def _endpoint_problems(found: Found) -> Iterator[str]:
    needs = {"client_key": "client_cert", "token_file": "url", "client_cert": "url", "enrolment_key_file": "url"}
    for name, needed in needs.items():
        value, source = found[f"endpoint.{name}"]
        if value and not found[f"endpoint.{needed}"][0]:
            yield f"{source}: endpoint.{name} = {value!r}: requires endpoint.{needed}"
    proxy, source = found["endpoint.proxy"]
    if proxy and str(found["endpoint.url"][0]).startswith("http://"):
        yield (
            f"{source}: endpoint.proxy = {proxy!r}: accepted with an endpoint.url that is https: "
            "otherwise the proxy gets token and reports in clear text, and http is for this machine only"
        )
    key, source = found["endpoint.enrolment_key_file"]
    if key and found["endpoint.token_file"][0]:
        yield f"{source}: endpoint.enrolment_key_file: not with endpoint.token_file: the agent stores its token itself"


def _otlp_problems(found: Found) -> Iterator[str]:
    url, source = found["otlp.url"]
    if not url:
        return
    if not found["otlp.logs"][0] and not found["otlp.metrics"][0]:
        yield f"{source}: otlp.url = {url!r}: neither otlp.logs nor otlp.metrics is true, so nothing would be sent"
    parts = urlsplit(str(url))
    if parts.scheme == "https":
        return
    if found["otlp.headers_file"][0] and not _is_this_machine(parts.hostname or ""):
        yield (
            f"{source}: otlp.url = {url!r}: accepted with otlp.headers_file: https, or an address of this machine: "
            "otherwise the headers are sent in clear text"
        )
    if found["otlp.ca_file"][0]:
        yield f"{source}: otlp.url = {url!r}: accepted with otlp.ca_file: https"


def reboot_problems(found: Found) -> Iterator[str]:
    """Yield one message for each contradiction in [reboot]."""
    mode, source = found["reboot.policy"]
    if mode is RebootMode.WINDOW and not found["reboot.window"][0]:
        yield f"{source}: reboot.policy = 'window': requires reboot.window"
    url, source = found["reboot.fleetlock_url"]
    if url == ENDPOINT and not found["endpoint.url"][0]:
        yield f"{source}: reboot.fleetlock_url = 'endpoint': requires endpoint.url"
    for name in _LOCK_ACCESS:
        value, source = found[f"reboot.{name}"]
        if value and not url:
            yield f"{source}: reboot.{name}: requires reboot.fleetlock_url"
        elif value and url == ENDPOINT:
            yield f'{source}: reboot.{name}: not with reboot.fleetlock_url = "endpoint", which uses that of [endpoint]'
        elif value and not _is_protected(str(url)):
            yield (
                f"{source}: reboot.{name}: accepted with a reboot.fleetlock_url that is https or of this machine: "
                "otherwise nothing protects it"
            )
    key, source = found["reboot.fleetlock_client_key"]
    if key and not found["reboot.fleetlock_client_cert"][0]:
        yield f"{source}: reboot.fleetlock_client_key: requires reboot.fleetlock_client_cert"


def _is_protected(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "https" or _is_this_machine(parts.hostname or "")


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
