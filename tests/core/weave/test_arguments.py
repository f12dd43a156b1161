"""What to launch again, from `docker inspect weave`: weave-behaviour.md W1, I1, I2; case W14."""

import pytest

from agent.core.weave.arguments import http_address, router_arguments, variable

HEAD = (
    *("--port", "6783", "--nickname", "w1", "--host-root=/host", "--docker-bridge", "docker0"),
    *("--weave-bridge", "weave", "--datapath", "datapath", "--ipalloc-range", "10.32.0.0/12"),
    *("--dns-listen-address", "172.17.0.1:53", "--http-addr", "127.0.0.1:6784", "--status-addr", "127.0.0.1:6782"),
    *("--resolv-conf", "/var/run/weave/etc/resolv.conf", "-H", "unix:///var/run/weave/weave.sock"),
)
END = ("--plugin", "--proxy")
BARE = ("DOCKER_BRIDGE", "WEAVE_DEBUG", "WEAVE_HTTP_ADDR", "WEAVE_PASSWORD", "CHECKPOINT_DISABLE", "PATH=/bin")


def test_i2_the_operators_words_follow_the_scripts() -> None:
    own = ("--ipalloc-range", "10.2.0.0/16", "--no-dns", "--name=::1", "10.0.0.2", "w3.example")

    found = router_arguments((*HEAD, *END, *own), BARE, "always")

    assert found.words == own
    assert found.environment == ()
    assert found.peers == ("10.0.0.2", "w3.example")
    assert found.ipalloc_range == "10.2.0.0/16"
    assert found.restart
    assert not found.encrypted


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--mtu", "1400"), ("WEAVE_MTU", "1400")),
        (("--no-fastdp",), ("WEAVE_NO_FASTDP", "1")),
        (("--no-bridged-fastdp",), ("WEAVE_NO_BRIDGED_FASTDP", "1")),
        (("--docker-bridge", "br0"), ("DOCKER_BRIDGE", "br0")),
        (("--http-addr", "127.0.0.1:7784"), ("WEAVE_HTTP_ADDR", "127.0.0.1:7784")),
        (("--status-addr", "0.0.0.0:6782"), ("WEAVE_STATUS_ADDR", "0.0.0.0:6782")),
        (("--port", "7783"), ("WEAVE_PORT", "7783")),
    ],
)
def test_w1_an_option_of_the_script_is_a_variable_again(words: tuple[str, ...], expected: tuple[str, str]) -> None:
    found = router_arguments((*HEAD, *words, *END, "10.0.0.2"), BARE, "always")

    assert found.environment == (expected,)
    assert found.words == ("10.0.0.2",)


def test_i2_options_of_the_proxy_are_the_operators_though_they_stand_in_front() -> None:
    own = ("-H", "tcp://0.0.0.0:12375", "--tlsverify", "--tlscacert", "/ca.pem")

    assert router_arguments((*HEAD, *own, *END, "--plugin=false"), BARE, "always").words == (*own, "--plugin=false")


@pytest.mark.parametrize("flag", ["--no-masq-local", "--awsvpc", "--no-discovery", "--pktdebug"])
def test_a_flag_does_not_take_the_next_word_as_its_value(flag: str) -> None:
    found = router_arguments((*HEAD, *END, flag, "--trusted-subnets", "10.9.0.0/16", flag, "10.0.0.2"), BARE, "always")

    assert found.peers == ("10.0.0.2",)


def test_w8_a_range_among_the_scripts_words_is_kept() -> None:
    args = tuple("10.2.0.0/16" if word == "10.32.0.0/12" else word for word in HEAD)

    found = router_arguments((*args, *END), BARE, "no")

    assert found.words == ("--ipalloc-range", "10.2.0.0/16")
    assert found.ipalloc_range == "10.2.0.0/16"
    assert not found.restart


@pytest.mark.parametrize(
    ("args", "environment", "encrypted"),
    [
        ((*HEAD, *END), ("WEAVE_PASSWORD",), False),
        ((*HEAD, *END), ("WEAVE_PASSWORD=",), False),
        ((*HEAD, *END), ("WEAVE_PASSWORD=s3cr3t=x",), True),
        ((*HEAD, *END, "--password", "s3cr3t=x", "10.0.0.2"), (), True),
        ((*HEAD, *END, "--password=s3cr3t=x"), (), True),
        ((*HEAD, *END, "-password", "s3cr3t=x", "10.0.0.2"), (), True),
        ((*HEAD, *END, "-password=s3cr3t=x"), (), True),
        ((*HEAD, "--password", "s3cr3t=x", *END), (), False),
        ((*HEAD, "-password", "s3cr3t=x", *END), (), False),
    ],
)
def test_w14_i1_the_password_is_known_and_nowhere_kept(
    args: tuple[str, ...],
    environment: tuple[str, ...],
    encrypted: bool,  # noqa: FBT001 - a table
) -> None:
    found = router_arguments(args, environment, "always")

    assert found.encrypted is encrypted
    assert "s3cr3t" not in repr(found)


def test_i16_an_api_version_needs_the_variable_and_the_arguments_for_docker() -> None:
    found = router_arguments((*HEAD, *END), ("DOCKER_API_VERSION=1.44", "WEAVE_DEBUG=1"), "always")

    assert found.environment == (
        ("DOCKER_API_VERSION", "1.44"),
        ("WEAVE_DEBUG", "1"),
        ("WEAVE_DOCKER_ARGS", "-e DOCKER_API_VERSION=1.44"),
    )


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("127.0.0.1:6784", ("127.0.0.1", 6784)),
        (":7784", ("127.0.0.1", 7784)),
        ("0.0.0.0:7784", ("127.0.0.1", 7784)),
        ("10.0.0.1:7784", ("10.0.0.1", 7784)),
        ("nonsense", None),
        ("127.0.0.1:0", None),
        ("127.0.0.1:99999", None),
    ],
)
def test_the_address_of_the_report_is_found(value: str, expected: tuple[str, int] | None) -> None:
    assert http_address(("--http-addr", value, *END)) == expected
    assert http_address(END) == ("127.0.0.1", 6784)


def test_i1_a_name_alone_is_not_set() -> None:
    assert variable(("A", "AB=1", "B=2=3"), "A") == ""
    assert variable(("A", "AB=1", "B=2=3"), "B") == "2=3"
