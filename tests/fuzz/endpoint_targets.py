"""The endpoint's parsers: its configuration, and what agents send."""

import gzip
from pathlib import Path

from endpoint.config.read import read_config
from endpoint.core.json_body import inflate, parse_json
from endpoint.core.messages import read_heartbeat_address, read_message
from endpoint.errors import ConfigError, RefusedError
from endpoint.http.validation import Validators
from tests.fuzz.mutation import Choices
from tests.fuzz.target import CHECKOUT, CHOICES, Parse, Target, documents
from tests.support.messages import Outbox, outcome

_CONFIG = (CHECKOUT / "docs/endpoint/config.example.toml").read_bytes()


def _batch(_directory: Path) -> Parse:
    box, validators = Outbox(), Validators()
    encode = documents([box.batch(box.event("outcome", outcome()), box.state(), box.heartbeat())])

    def parse(data: bytes) -> None:
        document = parse_json(encode(data))
        fault = validators.batch.fault(document)
        if fault is None and isinstance(document, dict):
            for message in document["messages"]:
                read_message(message, validators.body(message, precisely=True))
        else:
            assert fault is not None
            assert fault.isascii()
            assert fault.isprintable()

    return parse


def _body(data: bytes) -> None:
    choices = Choices(data)
    rest = choices.rest()
    parse_json(inflate(rest if choices.below(2) else gzip.compress(rest)))


def _path(data: bytes) -> None:
    host, instance, sequence, *_ = [*data.decode(errors="replace").split("/"), "", "", ""]
    read_heartbeat_address(host, instance, sequence)


def _config(directory: Path) -> Parse:
    path = directory / "config.toml"

    def parse(data: bytes) -> None:
        path.write_bytes(data)
        read_config(path)

    return parse


_UUID = b"0e3f3d1e-7a0e-4c3c-9a53-1b1f3a0c7d0e"
TARGETS = (
    Target(
        name="endpoint-config",
        prepare=_config,
        seeds=(_CONFIG, b'[server]\nlisten = "[::1]:8443"\n'),
        errors=(ConfigError,),
    ),
    Target(name="endpoint-batch", prepare=_batch, seeds=CHOICES, errors=(RefusedError,)),
    Target(
        name="endpoint-body", prepare=lambda _directory: _body, seeds=(b'\x00{"a": [1, 2]}',), errors=(RefusedError,)
    ),
    Target(
        name="endpoint-path",
        prepare=lambda _directory: _path,
        seeds=(b"/".join((_UUID, _UUID, b"1")),),
        errors=(RefusedError,),
    ),
)
