"""The syntax of origin patterns: that of unattended-upgrades, so that an existing list works unchanged."""

import pytest

from agent.core.policy.origins import ReleaseFields, parse_pattern

SECURITY = ReleaseFields(
    origin="Debian",
    label="Debian-Security",
    archive="stable-security",
    codename="bookworm-security",
    component="main",
    site="archive.example.org",
)
VARIABLES = {"distro_id": "Debian", "distro_codename": "bookworm"}


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("origin=Debian", True),
        ("o=Debian", True),
        ("label=Debian-Security", True),
        ("l=Debian-Security", True),
        ("archive=stable-security", True),
        ("suite=stable-security", True),
        ("a=stable-security", True),
        ("codename=bookworm-security", True),
        ("n=bookworm-security", True),
        ("component=main", True),
        ("c=main", True),
        ("site=archive.example.org", True),
        ("origin=Debian,codename=bookworm-security,label=Debian-Security", True),
        (" origin = Debian , suite = stable-security ", True),
        ("origin=Debian,codename=bookworm", False),
        ("origin=Ubuntu,codename=bookworm-security", False),
        ("origin=debian", False),
        ("site=example.org", False),
    ],
)
def test_every_token_must_match_its_field_exactly(text: str, *, matches: bool) -> None:
    assert parse_pattern(text, {}).matches(SECURITY) is matches


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("origin=*", True),
        ("archive=*-security", True),
        ("codename=bookworm*", True),
        ("site=archive.example.???", True),
        ("origin=[DU]ebian", True),
        ("archive=*-updates", False),
        ("label=?", False),
    ],
)
def test_values_are_shell_patterns(text: str, *, matches: bool) -> None:
    assert parse_pattern(text, {}).matches(SECURITY) is matches


def test_an_escaped_comma_belongs_to_the_value() -> None:
    pattern = parse_pattern(r"label=Docker\, Inc.,origin=Docker", {})

    assert pattern.tokens == (("label", "Docker, Inc."), ("origin", "Docker"))
    assert pattern.matches(ReleaseFields(origin="Docker", label="Docker, Inc."))
    assert not pattern.matches(ReleaseFields(origin="Docker", label="Docker"))


def test_an_equals_sign_in_the_value_belongs_to_it() -> None:
    assert parse_pattern("label=a=b", {}).matches(ReleaseFields(label="a=b"))


def test_variables_are_replaced_in_the_pattern_and_its_text() -> None:
    pattern = parse_pattern("origin=${distro_id},codename=${distro_codename}-security", VARIABLES)

    assert pattern.text == "origin=Debian,codename=bookworm-security"
    assert pattern.matches(SECURITY)


def test_an_unknown_variable_is_an_error_that_names_the_known_ones() -> None:
    with pytest.raises(ValueError, match="unknown variable") as caught:
        parse_pattern("codename=${codename}-security", VARIABLES)

    assert str(caught.value) == "unknown variable ${codename}; known here: ${distro_codename}, ${distro_id}"


@pytest.mark.parametrize(
    ("text", "near"), [("orgin=Debian", "'origin'"), ("codenmae=x", "'codename'"), ("sute=x", "'suite'")]
)
def test_an_unknown_key_is_an_error_that_suggests_the_closest(text: str, near: str) -> None:
    with pytest.raises(ValueError, match=f"unknown key .*did you mean {near}"):
        parse_pattern(text, {})


def test_a_key_close_to_none_is_an_error_that_lists_all() -> None:
    with pytest.raises(ValueError, match="unknown key 'zzz'") as caught:
        parse_pattern("zzz=x", {})

    assert "did you mean" not in str(caught.value)
    assert "origin, label, archive, codename, component, site" in str(caught.value)


@pytest.mark.parametrize("text", ["", "Debian", "origin", "origin=Debian,", "origin=Debian,,a=b"])
def test_a_token_without_key_and_value_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="is not of the form key=value"):
        parse_pattern(text, {})


@pytest.mark.parametrize("text", ["label=", "l=", "label= ", "origin=Debian,label=", "label=,origin=Debian"])
def test_an_empty_value_matches_a_field_that_is_empty(text: str) -> None:
    pattern = parse_pattern(text, {})

    assert pattern.matches(ReleaseFields(origin="Debian"))
    assert not pattern.matches(SECURITY)


@pytest.mark.parametrize(
    "text",
    [
        *("origin=^Debian$", "origin=Debian$", "origin=^Debian", "label=Debian.*", "origin=Debian|Ubuntu", "origin=.*"),
        *("origin=\\w+", "site=security\\.debian\\.org", "site=.*\\.debian\\.org", "site=.*debian.org", "suite=a\\.b"),
        *("codename=$distro_codename", "codename=${distro_codename", "codename=$(lsb_release -cs)", "codename={a\\,b}"),
        *("codename=%{x}-security", 'origin="Debian"', "origin='Debian'", "origin=[Dd", "origin=Debian,origin=Ubuntu"),
        *("o=Debian,origin=Docker", "suite=stable,archive=testing"),
    ],
)
def test_a_value_that_can_match_nothing_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"can match no repository|cannot have two values"):
        parse_pattern(text, VARIABLES)


@pytest.mark.parametrize("text", ["codename=${distro_name}", "codename=${}", "codename=${ distro_codename }"])
def test_a_variable_that_is_mistyped_is_an_error_that_names_the_known_ones(text: str) -> None:
    with pytest.raises(ValueError, match=r"unknown variable .*distro_codename"):
        parse_pattern(text, VARIABLES)


@pytest.mark.parametrize(
    "text",
    [
        *("origin=Debian,origin=Debian", "origin=Deb*,origin=*ian", "label=Debian Backports", "site=security.*"),
        *("origin=packages.gitlab.com/gitlab/gitlab-ce", "origin=. bookworm", "origin=LP-PPA-a-b", "origin=[Dd]ebian"),
        *("component=non-free-firmware", "label=a\\,b", "origin=g++", "origin=(x)", "site=", "origin=*"),
    ],
)
def test_an_unusual_value_is_accepted(text: str) -> None:
    assert parse_pattern(text, VARIABLES).tokens
