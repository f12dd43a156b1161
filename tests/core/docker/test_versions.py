"""Which offered version a manifest's version stands for (docker-weave.md: D2, D3, D4, D6, D15)."""

from itertools import pairwise

import pytest

from agent.core.docker.versions import (
    Choice,
    built_for,
    choose,
    is_pre_release,
    matches,
    parse_request,
    release_key,
    same_release,
    upstream,
)
from agent.core.engine_ports import Offer
from agent.core.policy.distro import Distro

NOBLE = Distro(id="ubuntu", codename="noble", version="24.04")
FOCAL = Distro(id="ubuntu", codename="focal", version="20.04")
BOOKWORM = Distro(id="debian", codename="bookworm", version="12")

UPSTREAM = {
    "5:27.3.1-1~ubuntu.24.04~noble": "27.3.1",
    "5:20.10.24~3-0~ubuntu-focal": "20.10.24",
    "18.06.3~ce~3-0~ubuntu": "18.06.3",
    "5:29.0.0~rc.1-1~ubuntu.24.04~noble": "29.0.0",
    "28.2.2-0ubuntu1~24.04.1": "28.2.2",
    "20.10.24+dfsg1-1+deb12u1+b6": "20.10.24",
    "20.10.24+dfsg1": "20.10.24",
    "18.06.3-ce": "18.06.3",
    "1.7.27-1": "1.7.27",
    "27.3.1": "27.3.1",
}


@pytest.mark.parametrize("version", UPSTREAM)
def test_the_upstream_version_has_neither_epoch_nor_revision(version: str) -> None:
    assert upstream(version) == UPSTREAM[version]


MATCHES = [
    ("27.3.1", "5:27.3.1-1~ubuntu.24.04~noble", True),
    ("v27.3.1", "5:27.3.1-1~ubuntu.24.04~noble", True),
    ("27.3", "27.3.1", True),
    ("27.3.x", "27.3.1", True),
    ("27.*", "27.3.1", True),
    ("27", "27.3.1", True),
    ("20.10.x", "20.10.24+dfsg1-1+deb12u1+b6", True),
    ("20.10.X", "20.10.24", True),
    ("18.09.9-ce", "5:18.09.9~3-0~ubuntu-bionic", True),
    ("18.06.3", "18.06.3~ce~3-0~ubuntu", True),
    ("latest", "27.3.1", True),
    ("27.1", "27.10.3", False),
    ("27.1", "5:27.10.3-1~ubuntu.24.04~noble", False),
    ("5.27", "5:27.1.0-1", False),
    ("27.1", "1.27.1", False),
    ("27.1.1", "27.1.10", False),
    ("28.5.1", "28.5.10", False),
    ("27.10", "27.1.0", False),
    ("1.30", "1.3.0", False),
    ("20.10.x", "20.1.0", False),
    ("27.3.1", "27.3.1.2", False),
    ("27.3.1.x", "27.3.1.2", True),
    ("29.0.0", "5:29.0.0~rc.1-1~ubuntu.24.04~noble", False),
    ("latest", "29.0.0-rc.1", False),
    ("latest", "dev", False),
]


@pytest.mark.parametrize(("request_", "version", "expected"), MATCHES)
def test_a_request_matches_whole_numbers_only(request_: str, version: str, *, expected: bool) -> None:
    assert matches(parse_request(request_), version) is expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "x",
        "*",
        "v",
        "Latest",
        "newest",
        "27.",
        ".27",
        "27..1",
        "27.x.1",
        "27.3.1 ",
        "27.3.1\n",
        "27,3",
        "5:27.3.1",
        "27.3.1-rc.1",
        "27.3.1~rc1",
        ">=27",
        "27.3.1-1~ubuntu.24.04~noble",
        "1.2.3.4.5",
        "1" * 7,
        "٢٧.٣",
    ],
    ids=repr,
)
def test_anything_else_is_no_version(text: str) -> None:
    with pytest.raises(ValueError, match="accepted: a version"):
        parse_request(text)


@pytest.mark.parametrize(
    "rising",
    [
        ["18.06.3-ce", "5:18.09.0~3-0~ubuntu-bionic", "20.10.9", "20.10.24", "23.0.0"],
        ["27.1.1", "27.1.10", "27.9.0", "27.10.0"],
        ["1.13.1", "17.03.0", "28.5.2", "29.0.0"],
        ["2.8", "2.8.1", "2.8.10", "2.9.0"],
    ],
    ids=lambda rising: rising[0],
)
def test_upstream_versions_are_ordered_by_number(rising: list[str]) -> None:
    keys = [release_key(version) for version in rising]
    assert all(older < newer for older, newer in pairwise(keys))


@pytest.mark.parametrize(
    ("version", "other", "expected"),
    [
        ("5:20.10.24~3-0~ubuntu-focal", "20.10.24+dfsg1", True),
        ("2.8", "2.8.0", True),
        ("18.06.3-ce", "18.6.3", True),
        ("27.1.1", "27.1.10", False),
        ("27.10", "27.1", False),
    ],
)
def test_epoch_revision_and_final_zeros_do_not_make_another_release(
    version: str, other: str, *, expected: bool
) -> None:
    assert same_release(version, other) is expected


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("5:29.0.0~rc.1-1~ubuntu.24.04~noble", True),
        ("5:23.0.0~beta.1-1~debian.12~bookworm", True),
        ("29.0.0-rc.1", True),
        ("18.06.3~ce~3-0~ubuntu", False),
        ("5:27.3.1-1~ubuntu.24.04~noble", False),
        ("20.10.24+dfsg1-1+deb12u1+b6", False),
    ],
)
def test_pre_releases_are_recognised(version: str, *, expected: bool) -> None:
    assert is_pre_release(version) is expected


@pytest.mark.parametrize(
    ("version", "distro", "expected"),
    [
        ("5:27.3.1-1~ubuntu.24.04~noble", NOBLE, True),
        ("5:27.3.1-1~ubuntu.22.04~jammy", NOBLE, False),
        ("5:27.3.1-1~debian.12~bookworm", NOBLE, False),
        ("5:27.3.1-1~debian.12~bookworm", BOOKWORM, True),
        ("5:20.10.24~3-0~ubuntu-focal", FOCAL, True),
        ("5:20.10.24~3-0~ubuntu-focal", NOBLE, False),
        ("18.06.3~ce~3-0~ubuntu", FOCAL, True),
        ("18.06.3~ce~3-0~ubuntu", BOOKWORM, False),
        ("28.2.2-0ubuntu1~24.04.1", NOBLE, True),
        ("26.1.5+dfsg1-9+deb13u1", BOOKWORM, True),
        ("1.7.27-1", NOBLE, True),
        ("5:27.3.1-1~ubuntu.24.04~noble", Distro(id="ubuntu", codename="", version="24.04"), True),
        ("5:27.3.1-1~ubuntu.24.04~noble", Distro(id="ubuntu", codename="", version="22.04"), False),
    ],
    ids=lambda value: value.codename or value.version if isinstance(value, Distro) else None,
)
def test_a_version_for_another_release_of_the_distribution_is_recognised(
    version: str, distro: Distro, *, expected: bool
) -> None:
    assert built_for(version, distro) is expected


def offers(*versions: str) -> list[Offer]:
    return [Offer(package="docker-ce", version=version, site="Docker") for version in versions]


OFFERED = offers(
    "5:29.0.0~rc.1-1~ubuntu.24.04~noble",
    "5:28.5.10-1~ubuntu.24.04~noble",
    "5:28.5.1-1~ubuntu.24.04~noble",
    "5:27.10.2-1~ubuntu.24.04~noble",
    "5:27.3.1-2~ubuntu.24.04~noble",
    "5:27.3.1-1~ubuntu.24.04~noble",
    "5:27.3.1-3~ubuntu.22.04~jammy",
    "5:27.1.10-1~ubuntu.24.04~noble",
    "5:27.1.1-1~ubuntu.24.04~noble",
)


@pytest.mark.parametrize(
    ("request_", "version"),
    [
        ("27.3.1", "5:27.3.1-2~ubuntu.24.04~noble"),
        ("27.1.1", "5:27.1.1-1~ubuntu.24.04~noble"),
        ("27.1", "5:27.1.10-1~ubuntu.24.04~noble"),
        ("27.x", "5:27.10.2-1~ubuntu.24.04~noble"),
        ("28.5.1", "5:28.5.1-1~ubuntu.24.04~noble"),
        ("latest", "5:28.5.10-1~ubuntu.24.04~noble"),
    ],
)
def test_the_newest_offer_for_this_release_is_chosen(request_: str, version: str) -> None:
    chosen = choose(parse_request(request_), OFFERED, NOBLE)
    assert chosen == Choice(offer=Offer(package="docker-ce", version=version, site="Docker"))


def test_the_order_of_the_offers_does_not_matter() -> None:
    request = parse_request("27")
    assert choose(request, OFFERED[::-1], NOBLE) == choose(request, OFFERED, NOBLE)


@pytest.mark.parametrize(
    ("request_", "nearest"),
    [
        ("27.3.2", ("28.5.10", "27.10.2", "27.3.1", "27.1.10")),
        ("27.4", ("28.5.10", "27.10.2", "27.3.1", "27.1.10")),
        ("29.0.0", ("28.5.10", "28.5.1")),
        ("20.10.x", ("28.5.10", "27.1.1")),
    ],
)
def test_without_a_match_the_nearest_available_versions_are_given(request_: str, nearest: tuple[str, ...]) -> None:
    assert choose(parse_request(request_), OFFERED, NOBLE) == Choice(offer=None, nearest=nearest)


@pytest.mark.parametrize(
    "found",
    [[], offers("5:27.3.1-1~ubuntu.22.04~jammy"), offers("5:27.3.1~rc.1-1~ubuntu.24.04~noble")],
    ids=["none", "other-release", "pre-release"],
)
def test_nothing_is_near_where_nothing_is_available_for_this_machine(found: list[Offer]) -> None:
    assert choose(parse_request("27.3.1"), found, NOBLE) == Choice(offer=None)


_STABLE, _FIXED, _BACKPORT = "26.1.4+dfsg1-9", "26.1.5+dfsg1-9", "28.5.2+dfsg4-5~bpo12+1"


def with_priorities(**priorities: int) -> list[Offer]:
    versions = {"stable": _STABLE, "fixed": _FIXED, "backport": _BACKPORT}
    return [
        Offer(package="docker.io", version=versions[name], site="Debian", priority=priority)
        for name, priority in priorities.items()
    ]


@pytest.mark.parametrize(
    ("request_", "installed", "priorities", "version"),
    [
        ("latest", "", {"stable": 500, "fixed": 500, "backport": 100}, _FIXED),
        ("latest", "", {"stable": 990, "fixed": 500, "backport": 100}, _STABLE),
        ("latest", _STABLE, {"stable": 500, "backport": -1}, _STABLE),
        ("latest", _STABLE, {"stable": -1, "fixed": -1}, _STABLE),
        ("latest", _BACKPORT, {"stable": 500, "fixed": 500, "backport": 100}, _BACKPORT),
        ("latest", _BACKPORT, {"stable": 1001, "fixed": 500, "backport": 100}, _STABLE),
        ("26.1.x", "", {"stable": 990, "fixed": 500}, _STABLE),
        ("26.1.x", _FIXED, {"stable": 990, "fixed": 500}, _FIXED),
        ("26.1.x", _BACKPORT, {"stable": 500, "fixed": 500, "backport": 100}, _FIXED),
        ("28.5.2", _STABLE, {"stable": 500, "backport": 100}, _BACKPORT),
    ],
    ids=[
        "backports-are-not-automatic",
        "priority-before-age",
        "never",
        "what-is-installed-stays",
        "no-downgrade-by-itself",
        "a-forced-downgrade",
        "series-by-priority",
        "no-downgrade-in-a-series",
        "a-series-below-what-is-installed",
        "an-exact-version-of-low-priority",
    ],
)
def test_of_several_offers_the_one_that_apt_prefers_is_chosen(
    request_: str, installed: str, priorities: dict[str, int], version: str
) -> None:
    chosen = choose(parse_request(request_), with_priorities(**priorities), BOOKWORM, installed).offer
    assert chosen is not None
    assert chosen.version == version


@pytest.mark.parametrize("request_", ["28.5.2", "28.x"])
@pytest.mark.parametrize("priority", [-1, 0])
def test_a_version_that_the_preferences_exclude_is_named_and_not_chosen(request_: str, priority: int) -> None:
    found = with_priorities(stable=500, backport=priority)
    assert choose(parse_request(request_), found, BOOKWORM, _STABLE) == Choice(
        offer=None, pinned=_BACKPORT, nearest=("26.1.4",)
    )


def test_what_the_preferences_exclude_is_not_among_the_nearest() -> None:
    found = with_priorities(stable=500, backport=-1)
    assert choose(parse_request("27"), found, BOOKWORM) == Choice(offer=None, nearest=("26.1.4",))
