"""Acts on Weave's router through the engine's API; real ones are in tests/machines/test_weave_upgrade.py."""

from pathlib import Path

import pytest

from agent.host.weave.router import LocalRouterOperator, log_text

PASSWORD = "pass word"  # noqa: S105 - of no machine


def frame(text: str, stream: int = 1) -> bytes:
    return bytes([stream, 0, 0, 0]) + len(text).to_bytes(4, "big") + text.encode()


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (frame("one\n") + frame("two\n", 2), "one\ntwo\n"),
        (frame("one\n") + frame("two\n")[:-2], "one\ntw"),
        (b"short", ""),
        (b"", ""),
    ],
    ids=["both-streams", "cut-off", "no-frame", "empty"],
)
def test_the_text_of_a_log_is_in_frames(stream: bytes, expected: str) -> None:
    assert log_text(stream) == expected


def test_w14_i11_the_output_of_a_script_that_fails_is_shown_without_the_password(tmp_path: Path) -> None:
    script = tmp_path / "weave"
    script.write_text('#!/bin/sh\nprintf "%s with %s\\r\\n" "$1" "$WEAVE_PASSWORD"; exit 1\n')
    script.chmod(0o755)
    router = LocalRouterOperator(str(tmp_path / "no-engine"))

    problem = router.run_script(str(script), ["launch", "w2"], {"WEAVE_PASSWORD": PASSWORD})

    assert problem == "launch with ..."


def test_a_script_that_succeeds_has_no_problem(tmp_path: Path) -> None:
    script = tmp_path / "weave"
    script.write_text("#!/bin/sh\necho Weave is not running\n")
    script.chmod(0o755)

    assert LocalRouterOperator(str(tmp_path / "no-engine")).run_script(str(script), ["stop"], {}) == ""


def test_a_script_uses_the_engine_of_this_machine_whatever_context_root_has(tmp_path: Path) -> None:
    script = tmp_path / "weave"
    script.write_text('#!/bin/sh\necho "$DOCKER_CONTEXT,$DOCKER_HOST,$WEAVE_MTU"; exit 1\n')
    script.chmod(0o755)
    router = LocalRouterOperator(str(tmp_path / "no-engine"))

    assert router.run_script(str(script), ["stop"], {"WEAVE_MTU": "1400"}) == "default,,1400"


def test_seen_m2_names_are_resolved_with_and_without_a_port(tmp_path: Path) -> None:
    router = LocalRouterOperator(str(tmp_path / "no-engine"))

    found = router.unresolved(["127.0.0.1", "localhost:6783", "::1", "[::1]", "[::1]:6783", "no-such-host.invalid"])

    assert found == ("no-such-host.invalid",)


def test_without_an_engine_every_act_is_a_problem(tmp_path: Path) -> None:
    router = LocalRouterOperator(str(tmp_path / "no-engine"))

    assert router.stop_router()
    assert router.remove_part("weaveproxy")
    assert router.log_end() == ""
