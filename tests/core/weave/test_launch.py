"""What launches the same router again: weave-behaviour.md W1, W8, W9, M1 to M3, I2, I13; case W14."""

from dataclasses import replace

import pytest

from agent.core.model.weave import RouterArguments
from agent.core.weave.launch import (
    first_generation_arguments,
    image_environment,
    images,
    launch_environment,
    launch_words,
    missing_targets,
)
from tests.core.weave.given_weave import ARGUMENTS, NEW, REPORT

PASSWORD = "s3cr3t"  # noqa: S105 - of no machine
IMAGES = {"DOCKERHUB_USER": "rajchaudhuri", "WEAVE_VERSION": NEW}
PLAIN = RouterArguments(words=("--no-dns", "192.168.77.2"), environment=(), encrypted=False, peers=("192.168.77.2",))


def test_w14_words_and_peers_are_those_of_before() -> None:
    assert launch_words(ARGUMENTS, REPORT) == ["--ipalloc-range", "10.2.0.0/16", "192.168.77.2"]
    assert launch_words(replace(ARGUMENTS, restart=False), REPORT)[0] == "--no-restart"


@pytest.mark.parametrize(
    ("targets", "expected"),
    [
        (("10.0.0.3", "192.168.77.2"), ["192.168.77.2", "10.0.0.3"]),
        (("10.0.0.3",), ["10.0.0.3"]),
        ((), []),
    ],
    ids=["one-was-connected", "one-was-forgotten-too", "the-last-was-forgotten"],
)
def test_w14_peers_are_the_present_targets(targets: tuple[str, ...], expected: list[str]) -> None:
    assert launch_words(ARGUMENTS, replace(REPORT, targets=targets))[2:] == expected


def test_m3_no_peers_stand_beside_resume() -> None:
    resumed = replace(PLAIN, words=("--resume",), peers=())

    assert launch_words(resumed, REPORT)[:1] == ["--resume"]
    assert "192.168.77.2" not in launch_words(resumed, REPORT)
    assert missing_targets(REPORT, replace(REPORT, targets=())) == ("192.168.77.2",)


def test_m2_a_peer_whose_name_does_not_resolve_is_left_out() -> None:
    assert launch_words(ARGUMENTS, None, without={"192.168.77.2"}) == ["--ipalloc-range", "10.2.0.0/16"]


@pytest.mark.parametrize(
    ("words", "shown", "expected"),
    [
        ((), "10.2.0.0/16", ["--ipalloc-range", "10.2.0.0/16"]),
        ((), "10.32.0.0/12", ["--ipalloc-range", "10.32.0.0/12"]),
        ((), "", []),
        (("--no-default-ipalloc",), "10.2.0.0/16", ["--no-default-ipalloc"]),
        (("--ipalloc-range=10.2.0.0/16",), "10.2.0.0/16", ["--ipalloc-range=10.2.0.0/16"]),
    ],
    ids=["unknown-to-the-words", "default", "no-range", "none-wanted", "given"],
)
def test_w8_the_range_is_never_another_one(words: tuple[str, ...], shown: str, expected: list[str]) -> None:
    found = launch_words(replace(PLAIN, words=words, peers=()), replace(REPORT, targets=(), ipam_range=shown))

    assert found == expected


def test_2_5_the_range_of_a_router_that_does_not_answer_is_that_of_its_launch() -> None:
    fell = replace(PLAIN, words=("--no-dns",), peers=(), ipalloc_range="10.32.0.0/12")

    assert launch_words(fell, None) == ["--no-dns", "--ipalloc-range", "10.32.0.0/12"]


def test_w1_w14_the_environment_has_the_operators_variables_and_the_password_is_in_no_word() -> None:
    found = launch_environment(ARGUMENTS, IMAGES, PASSWORD)

    assert found == {"WEAVE_MTU": "1400", "WEAVE_PASSWORD": PASSWORD, **IMAGES}
    assert PASSWORD not in " ".join(launch_words(ARGUMENTS, REPORT))
    assert "WEAVE_PASSWORD" not in launch_environment(PLAIN, IMAGES, PASSWORD)


def test_w20_a_router_of_weave_1_is_launched_by_name_range_and_peers() -> None:
    first = replace(PLAIN, words=("--port", "6783", "--dns-effective-listen-address", "172.17.0.1"), encrypted=True)

    found = first_generation_arguments(first, REPORT)

    assert launch_words(found, REPORT) == [
        *("--name", REPORT.peer_name, "--ipalloc-range", "10.2.0.0/16", "192.168.77.2"),
    ]
    assert found.encrypted


def test_w9_a_router_that_was_encrypted_is_not_launched_without_its_password() -> None:
    with pytest.raises(ValueError, match="password"):
        launch_environment(ARGUMENTS, IMAGES)


def test_m1_the_images_are_named_for_a_script_without_a_number_or_with_another_user() -> None:
    assert image_environment("rajchaudhuri", NEW) == IMAGES
    assert image_environment("", NEW) == {"WEAVE_VERSION": NEW}


def test_i13_m1_a_launch_needs_three_images() -> None:
    assert images("rajchaudhuri", NEW) == (
        *("rajchaudhuri/weave:2.9.0", "rajchaudhuri/weaveexec:2.9.0", "rajchaudhuri/weavedb:latest"),
    )
