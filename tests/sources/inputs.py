"""Further inputs by kind of fault: what an administrator might have, chosen without a look at the agent's code."""

from collections.abc import Mapping

from tests.sources.rows import Row


def rows_of(texts: str) -> tuple[Row, ...]:
    """Return rows from lines of `form index fault role time`."""
    found = []
    for line in texts.strip().splitlines():
        form, index, fault, role, time = line.split()
        found.append(Row(form=form, index=index, fault=fault, security=role == "security", later=time == "later"))
    return tuple(found)


INPUTS: Mapping[str, tuple[Row, ...]] = {
    "A": rows_of("""
        line detached inrelease-410 security first
        line detached inrelease-moved-to-404 security later
        line-trusted unsigned none third later
        flat-trusted no-release none third first
        line by-hash-promised by-hash-404 security first
        line xz-promised none security first
        line everything-promised none third first
        languages translation-promised none security first
        languages translation-promised translation-500 third later
        contents inline none security first
        contents contents-promised none third first
        line differences-promised updated security later
        line inline first-503 security first
        two-mirrors inline first-mirror-503 security first
        two-mirrors inline first-mirror-404 third later
        valid-until-off inline expired security first
        valid-until-off-everywhere inline expired security later
        date-off inline not-yet-valid security first
        proxy inline none security first
        deb822-two-suites detached none security later
        changes-allowed inline label-changed third later
        label-change-allowed inline label-changed third later
        changes-allowed inline suite-changed third later
        two-keyrings inline none security first
        fingerprint inline none third first
        no-languages inline none security first
        line inline ignored-file security later
        insecure-everywhere unsigned none third first
        downgrade-allowed inline unsigned-now third later
        any-error inline none security first
    """),
    "B": rows_of("""
        one-place-in-another inline inner-503 third later
        one-place-in-another inline inner-404 security first
        suite-in-another inline updates-503 third first
        slash-and-none inline second-404 third first
        deb822-two-suites inline second-renamed security later
        line-two-suites inline second-503 security later
        space inline 503 third first
        tilde inline label-changed third later
        upper-case-host inline refused third later
        ipv6 inline none third first
        no-method inline none third first
        https-to-http inline none third first
        suite-with-slash inline label-changed third later
        suite-with-dots inline wrong-key third first
        arch-variable inline 404 third later
        arch-in-suite inline codename-changed third later
        two-mirrors inline both-mirrors-503 third later
        flat inline expired third later
        flat-sub inline suite-changed security later
        disabled-stanza inline none security first
        line inline moved-to-404 third later
        utf-8 inline damaged-list third first
        double-slash-inside inline refused security later
        valid-for-a-minute inline none third first
        ends-in-dists inline gone third later
        plus detached wrong-key third later
        any-error inline refused third later
        line inline hook-and-refused third later
        line inline hook-and-refused security first
        deb822 inline preferences-and-404 third later
        line inline unsigned-now security later
        line inline expired-key third first
        line inline unreadable-key third first
        plus-flat inline wrong-key third first
        tilde-flat inline 503 security later
        deb822-folded inline refused third first
        conflicting-keys inline none third first
        fingerprint inline wrong-key security later
    """),
    "C": rows_of("""
        tilde inline none security first
        space inline none third first
        plus inline none security later
        percent inline none third first
        underscores inline none security first
        utf-8 inline none third first
        double-slash-inside inline none security first
        ends-in-dists inline none third first
        arch-variable inline none security first
        arch-in-suite inline none third later
        dot-in-flat inline none third first
        double-slash-flat inline none security later
        suite-with-slash inline none third first
        suite-with-dots inline none third later
        upper-case-host inline none security first
        upper-case-scheme inline none security first
        address inline none third later
        file-with-host inline none third first
        copy-slashes inline none third first
        deb822-flat-slashes inline none security first
        packed-on-disk inline none security first
        packed-on-disk inline updated third later
        packed-on-disk-flat detached none security first
        one-place-in-another inline none third first
        slash-and-none inline none security first
        plus-flat inline none security first
        tilde-flat detached none security first
        other-directory inline none security first
        wide inline none security first
        carriage-returns inline none security first
        deb822-folded inline none security first
        deb822-lower-case inline none third first
    """),
    "E": rows_of("""
        token inline none third first
        encoded-password inline refused security later
        long-password inline 404 third first
        empty-user inline refused third first
        upper-case-login inline 403 third later
        deb822-login inline wrong-key third first
        deb822-login-slashes inline refused security first
        https-login inline none third first
        no-method-login inline none third first
        query inline none third first
        proxy-login inline none security first
        mirrors-with-login inline none security first
        mirrors-with-login inline refused third later
        mirror-http-login inline refused third first
        line-login inline label-changed third later
        line-login inline moved-to-403 third first
        line inline moved-to-login third first
        line inline moved-to-closed-login third later
        line inline moved-with-token third first
        line inline bad-line-with-login security first
        line inline bad-options-with-login security first
        line inline bad-type-with-login third later
        line inline hook-with-login security later
        line-auth-conf inline wrong-login security later
        flat-login all-only damaged-list third first
        slash-password inline none third first
        address-login inline none security first
        flat-login-slashes inline refused security later
        proxy-of-host-login inline none third first
        line inline proxy-script security later
    """),
    "J": rows_of("""
        line inline-and-detached inrelease-403 third first
        line inline-and-detached inrelease-500 security later
        line detached release-401 third first
        line detached signature-403 security later
        line detached signature-404 third first
        line detached signature-500 third later
        line inline 402 third later
        line inline 418 third first
        line inline 451 security later
        line inline 511 third first
        line inline 204 third later
        line inline empty-inrelease security later
        line inline text-inrelease third later
        line detached html-release third first
        line detached html-signature security first
        line inline html-lists third later
        line inline moved-to-403 security later
        line-login inline wrong-login security later
        proxy inline proxy-407 security later
        line by-hash by-hash-403 third first
        flat-dot inline 401 security first
        deb822-two-uris inline 407 security later
        line-insecure inline 403 third first
        line-trusted inline 401 security later
    """),
    "K": rows_of("""
        line no-components-field none security first
        line no-architectures-field none security first
        line other-architectures none third first
        line all-as-native none security first
        line all-and-others none third first
        line empty-gz none security first
        line empty-xz none third later
        line empty-by-hash none security first
        flat-dot empty none third first
        line empty-detached none security later
        line blank none security first
        line only-newline none third first
        line prefixed-components none security first
        foreign inline none security first
        foreign all-only none third later
        foreign-only inline none third first
        unknown-architecture inline none third first
        architecture-added inline none third first
        sources-only inline none third first
        line component-missing none security later
        line-component-too-many inline none security later
        deb822-components empty none security first
        line without-packages none third first
        line no-hashes none third first
        line sha512 none security first
        line lzma none third first
        line weak none third first
    """),
    "Release fields": rows_of("""
        line crlf none security first
        line lower-case-fields none security first
        line long-description none security first
        line long-description label-changed security later
        line foreign-bytes none security first
        line no-spaces none security first
        line wide-spaces none security first
        line folded none security first
        line date-with-offset none security first
        line date-invalid none third first
        line valid-until-invalid none third first
        line old none third first
        line old none security first
        line no-suite none security first
        line no-codename none third first
        line not-automatic none security first
    """),
}
"""Rows by kind of fault."""
