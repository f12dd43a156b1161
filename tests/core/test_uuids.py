"""UUIDs are those of the standard library's module."""

import os
import uuid

import pytest

from agent.core.uuids import is_uuid, version_4


@pytest.mark.parametrize("raw", [bytes(16), b"\xff" * 16, bytes(range(16)), bytes(range(255, 239, -1))], ids=bytes.hex)
def test_version_and_variant_replace_six_bits(raw: bytes) -> None:
    assert version_4(raw) == str(uuid.UUID(bytes=raw, version=4))
    assert is_uuid(version_4(raw))


@pytest.mark.parametrize(
    "change",
    [str.upper, lambda text: f"{{{text}}}", lambda text: f"urn:uuid:{text}", lambda text: text.replace("-", ""),
     lambda text: f"{text}\n", lambda text: text[:-1], lambda _text: "", lambda text: text.replace(text[0], "\u0660")],
    ids=["upper", "braces", "urn", "no-hyphens", "line", "short", "empty", "other-digit"],
)  # fmt: skip
def test_another_form_is_none(change: object) -> None:
    text = f"a{version_4(os.urandom(16))[1:]}"

    assert callable(change)
    assert not is_uuid(change(text))
