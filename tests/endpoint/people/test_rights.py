"""What people may do, for which hosts; passwords, codes and where a login leads to: pure rules."""

from itertools import product

import pytest

from endpoint.core.group_rights import GroupRights, rights_of
from endpoint.core.passwords import NOBODY, fault_of_password, hash_password, is_outdated, is_password
from endpoint.core.people import (
    WHOLE_FLEET,
    Person,
    PersonRole,
    PersonVia,
    Right,
    Scope,
    local_path,
    local_person,
    person_name,
)
from endpoint.core.totp import STEP_S, matching_step, totp_code

VIEWER, OPERATOR, ADMIN = PersonRole
WEB, DB, NOTHING = (Scope(tags=frozenset(tags)) for tags in ({"web"}, {"db"}, ()))
RFC_SECRET = b"12345678901234567890"
RIGHTS = {
    (VIEWER, False): {Right.VIEW},
    (VIEWER, True): {Right.VIEW},
    (OPERATOR, False): {Right.VIEW, Right.DEPLOY},
    (OPERATOR, True): {Right.VIEW, Right.DEPLOY, Right.REBOOT},
    (ADMIN, False): set(Right),
    (ADMIN, True): set(Right),
}


def person(role: PersonRole, scope: Scope = WHOLE_FLEET, *, may_reboot: bool = False) -> Person:
    return Person(name="ann", role=role, may_reboot=may_reboot, scope=scope, via=PersonVia.SESSION)


@pytest.mark.parametrize(("role", "may_reboot"), RIGHTS, ids=lambda value: getattr(value, "value", str(value)))
def test_each_role_has_its_rights_and_reboot_is_one_apart(role: PersonRole, *, may_reboot: bool) -> None:
    one = person(role, may_reboot=may_reboot)

    assert {right for right in Right if one.may(right)} == RIGHTS[role, may_reboot]


def test_an_administrator_of_some_hosts_cannot_widen_the_own_scope() -> None:
    limited = person(ADMIN, WEB)

    assert not limited.may(Right.ADMIN)
    assert not limited.may(Right.REBOOT)
    assert local_person("root").may(Right.ADMIN)


@pytest.mark.parametrize(
    ("scope", "tags", "included"),
    [(WHOLE_FLEET, (), True), (WEB, ("web", "x"), True), (WEB, ("x",), False), (WEB, (), False), (NOTHING, "x", False)],
    ids=["whole", "tagged", "other", "untagged", "empty"],
)
def test_a_scope_holds_the_hosts_with_any_of_its_tags(scope: Scope, tags: tuple[str, ...], *, included: bool) -> None:
    assert scope.includes(tags) == included


def test_groups_never_grant_together_what_none_of_them_grants() -> None:
    granted = [
        GroupRights(role=role, may_reboot=reboot, scope=scope)
        for role, reboot, scope in product(PersonRole, (False, True), (WHOLE_FLEET, WEB, DB))
        if role is not ADMIN or scope.is_whole
    ]
    named = {str(number): one for number, one in enumerate(granted)}
    for first, second in product(named, named):
        joined = rights_of([first, second, "unknown"], named)
        assert joined is not None
        both = [person(one.role, one.scope, may_reboot=one.may_reboot) for one in (named[first], named[second])]
        made = person(joined.role, joined.scope, may_reboot=joined.may_reboot)
        for right, tag in product(Right, ("web", "db", "other")):
            allowed = any(one.may(right) and one.scope.includes([tag]) for one in both)
            assert allowed or not (made.may(right) and made.scope.includes([tag]))


def test_groups_of_one_level_join_their_tags_and_unknown_ones_grant_nothing() -> None:
    named = {scope_name: GroupRights(role=OPERATOR, may_reboot=False, scope=scope) for scope_name, scope in
             (("web", WEB), ("db", DB))}  # fmt: skip
    joined = rights_of(["web", "db"], named)

    assert joined is not None
    assert joined.scope.tags == frozenset({"web", "db"})
    assert rights_of(["other", ""], named) is None


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Ann", "ann"), (" ann@example.org ", "ann@example.org"), ("a" * 64, "a" * 64), ("a" * 65, None), ("", None),
        ("ann,bob", None), ("ann bob", None), ("-ann", None), ("ann\n", "ann"), ("ann\0", None), ("änn", None),
        ("ann'--", None), ("token ann", None),
    ],
    ids=ascii,
)  # fmt: skip
def test_a_name_has_one_form_and_nothing_that_separates_names(text: str, name: str | None) -> None:
    assert person_name(text) == name


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("/hosts?state=held&tag=web", "/hosts?state=held&tag=web"), ("/", "/"), ("", "/"), ("//evil.example", "/"),
        ("/\\evil.example", "/"), ("https://evil.example/", "/"), ("javascript:alert(1)", "/"), ("/\t/evil", "/"),
        ("/x\r\nSet-Cookie: a=b", "/"), ("/logout", "/"), ("/login", "/"), ("hosts", "/"), ("/\u2028", "/"),
    ],
    ids=ascii,
)  # fmt: skip
def test_a_login_leads_to_this_site_only(text: str, path: str) -> None:
    assert local_path(text) == path


@pytest.mark.parametrize(
    ("seconds", "code"),
    [(59, "287082"), (1111111109, "081804"), (1234567890, "005924"), (2000000000, "279037"), (20000000000, "353130")],
)
def test_codes_are_those_of_rfc_6238(seconds: int, code: str) -> None:
    """Its appendix B has eight digits, of which these are the last six."""
    assert totp_code(RFC_SECRET, seconds // STEP_S) == code


def test_a_code_works_once_and_a_step_before_and_after_its_time() -> None:
    step, at = 1000, 1000 * STEP_S + 5
    codes = {offset: totp_code(RFC_SECRET, step + offset) for offset in (-2, -1, 0, 1, 2)}

    assert {offset: matching_step(RFC_SECRET, code, at, None) for offset, code in codes.items()} == {
        -2: None, -1: 999, 0: 1000, 1: 1001, 2: None,
    }  # fmt: skip
    assert matching_step(RFC_SECRET, codes[0], at, 1000) is None
    assert matching_step(RFC_SECRET, codes[-1], at, 1000) is None
    assert matching_step(RFC_SECRET, f"{codes[1][:3]} {codes[1][3:]}", at, 1000) == 1001
    assert matching_step(RFC_SECRET, "", at, None) is None
    assert matching_step(RFC_SECRET, "\uff11\uff12\uff13\uff14\uff15\uff16", at, None) is None


def test_a_password_is_known_by_its_hash_alone() -> None:
    stored = hash_password("correct horse battery", b"0123456789abcdef")

    assert stored != hash_password("correct horse battery", b"fedcba9876543210")
    assert is_password("correct horse battery", stored)
    assert not is_password("correct horse batterz", stored)
    assert not is_password("", NOBODY)
    assert not is_password("correct horse battery", "md5$0$0")
    assert not is_outdated(stored)
    assert is_outdated(stored.replace("$5$", "$1$"))


@pytest.mark.parametrize(
    ("password", "fits"),
    [
        ("correct horse battery", True),
        ("x" * 11, False),
        ("a" * 40, False),
        ("x" * 257, False),
        ("annannann-long", False),
    ],
    ids=["fine", "short", "one-character", "long", "holds-the-name"],
)
def test_a_password_that_is_easy_to_guess_is_refused(password: str, *, fits: bool) -> None:
    assert (fault_of_password(password, "ann") is None) == fits
