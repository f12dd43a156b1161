"""Cross-checks of exporter settings: values that are valid alone and contradict each other."""

import ipaddress
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from agent.config.schema import Value

Found = Mapping[str, tuple[Value, str]]
"""Value and source by dotted key name."""


def exporter_problems(found: Found) -> Iterator[str]:
    """Yield one message for each contradiction in [endpoint] and [otlp]."""
    yield from _endpoint_problems(found)
    yield from _otlp_problems(found)


def _endpoint_problems(found: Found) -> Iterator[str]:
    for name, needed in (("client_key", "client_cert"), ("token_file", "url"), ("client_cert", "url")):
        value, source = found[f"endpoint.{name}"]
        if value and not found[f"endpoint.{needed}"][0]:
            yield f"{source}: endpoint.{name} = {value!r}: requires endpoint.{needed}"


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


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
