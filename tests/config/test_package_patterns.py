"""A pattern that can match no package is refused, with what is probably meant."""

import re

import pytest

from agent.config.package_patterns import parse_package_patterns
from agent.config.schema import KEYS

GOOD = (
    *("nginx", "a", "g++", "libstdc++6", "0ad", "linux-*", "*", "**", "?*", "*-dev", "lib?64", "python3.*", "lib*.so"),
    *(
        "linux-image-[0-9]*",
        "lib[!a-m]*",
        "[a-z]*",
        "x[+.-]y",
        "python3.1[0-9]",
        "*.dev",
        "nginx.?*",
        "nginx[.]*",
        " x ",
    ),
)
BAD = (
    # regular expressions, as unattended-upgrades has them
    *("^linux-.*", "linux-.*", "linux.*", "nginx$", "^nginx$", "linux-image-[0-9]+", "linux-(image|headers)", "a|b"),
    *("lib\\w*", "python3\\.11", "lib.+", ".*", "linux-{image,headers}", "(nginx)", "nginx.*-dev"),
    # more than a name
    *("nginx:amd64", "nginx:any", "*:i386", "nginx=1.2", "nginx/stable", "nginx_1.2_amd64.deb", "/usr/sbin/nginx"),
    *("nginx-1.2-3~deb12", "nginx, openssl", "nginx,openssl", "nginx openssl", "nginx\topenssl", "nginx\nopenssl"),
    *("!nginx", "~nginx", "~nnginx", "@nginx", "nginx@1", "http://host/x", '"nginx"', "'nginx'", "nginx;", "#nginx"),
    # no characters of names
    *("Nginx", "LINUX-*", "nginX", "nginx™", "ngínx", "linux-[A-Z]*", "[!a-z0-9+.-]x", "-dev", ".so", "+x", "[.+]x"),
    *("linux-", "linux-image-", "lib.", "nginx-"),
    *("[abc", "nginx[", "x[]", "nginx%", "$nginx", "`nginx`", "nginx\0"),
)


@pytest.mark.parametrize("pattern", GOOD)
def test_a_pattern_that_can_match_is_accepted(pattern: str) -> None:
    assert parse_package_patterns([pattern]) == (pattern.strip(),)


@pytest.mark.parametrize("pattern", BAD)
def test_a_pattern_that_can_match_nothing_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match=re.escape(repr(pattern))):
        parse_package_patterns(["nginx", pattern])


@pytest.mark.parametrize("raw", ["nginx", [""], [" "], ["\n"], [1], [None], {"nginx": 1}, [["nginx"]], True])
def test_anything_but_a_list_of_words_is_refused(raw: object) -> None:
    with pytest.raises(ValueError, match="accepted"):
        parse_package_patterns(raw)


@pytest.mark.parametrize(
    ("pattern", "meant"),
    [
        ("^linux-.*", "linux-*"),
        ("linux.*", "linux*"),
        ("linux-image-[0-9]+", "linux-image-[0-9]*"),
        ("nginx$", "nginx"),
        ("nginx:amd64", "nginx"),
        ("nginx=1.2", "nginx"),
        ("nginx/stable", "nginx"),
        ("Nginx", "nginx"),
        ("-dev", "*-dev"),
        ("linux-", "linux-*"),
    ],
)
def test_what_is_meant_is_named(pattern: str, meant: str) -> None:
    with pytest.raises(ValueError, match=re.escape(f"did you mean {meant!r}?")):
        parse_package_patterns([pattern])


def test_every_list_of_package_names_is_parsed_so() -> None:
    of_others = {"services.never_restart", "soak.override", "requests.allow", "agent.tags"}
    lists = {key.path for key in KEYS if key.default == () or key.path == "security.origins"} - of_others

    assert lists == {"security.blocklist", "security.allowlist", "security.origins"}
    assert {key.path for key in KEYS if key.parse is parse_package_patterns} == lists - {"security.origins"}
