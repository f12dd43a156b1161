"""Unusual forms, indexes and faults: not in the product of rows.py, but each in rows of inputs.py."""

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from tests.sources.bench import HOST, Bench
from tests.sources.faults import FAULTS, UNREACHABLE, Fault, from_server, status
from tests.sources.forms import BINARY_KEY, FORMS, KEY, LINE, PASSWORD, TWO_SUITES, USER, Form, deb822
from tests.sources.indexes import INDEXES, Index, Signed
from tests.sources.rare import RARE_FAULTS, RARE_FORMS, RARE_INDEXES
from tests.sources.server import Handler
from tests.support.repository import Signer

_CONTENTS = (
    'Acquire::IndexTargets::deb::Contents-deb { MetaKey "$(COMPONENT)/Contents-$(ARCHITECTURE)"; ShortDescription '
    '"Contents"; Description "$(RELEASE)/$(COMPONENT) $(ARCHITECTURE) Contents"; Optional "true"; };\n'
)
_IN_ONE_PLACE = (("tested/deb",), (r"tested(?=/dists|/? )",))
_OTHER_SUITES = (("tested", "stable"), ("tested", "stable-updates"))
_ENCODED = "p%40ss:W0rd"


def _line(url: str = "{url}", dist: str = "{dist}", options: str = "signed-by={key}", **changes: object) -> Form:
    return replace(Form(text=f"deb [{options}] {url} {dist} main\n"), **changes)  # type: ignore[arg-type]


def _flat(dist: str, flat: str, url: str = "{url}", **changes: object) -> Form:
    return replace(Form(text=f"deb [signed-by={{key}}] {url} {dist}\n", flat=flat), **changes)  # type: ignore[arg-type]


UNUSUAL_FORMS: Mapping[str, Form] = {
    # paths and names
    "tilde": _line("{url}/~vendor", places=("tested/~vendor",)),
    "space": _line("{url}/a%20b", places=("tested/a b",)),
    "plus": _line("{url}/c++", places=("tested/c++",)),
    "percent": _line("{url}/100%25", places=("tested/100%",)),
    "underscores": _line("{url}/a_b_dists", places=("tested/a_b_dists",)),
    "utf-8": _line("{url}/d%C3%A9p%C3%B4t", places=("tested/dépôt",)),
    "double-slash-inside": _line("http://{host}/tested//deb", places=("tested/deb",)),
    "ends-in-dists": _line("{url}/dists", places=("tested/dists",)),
    "arch-variable": _flat("./", "", url="{url}/$(ARCH)", places=("tested/amd64",)),
    "arch-in-suite": _flat("$(ARCH)/", "amd64/"),
    "dot-in-flat": _flat("./sub/./deep/", "sub/./deep/"),
    "double-slash-flat": _flat("sub//deep/", "sub/deep/"),
    "suite-with-slash": _line(dist="{dist}/updates", dists=("{dist}/updates",)),
    "suite-with-dots": _line(dist="v1.2+x~y", dists=("v1.2+x~y",)),
    "upper-case-host": _line("http://Archive.Test:{port}/tested"),
    "upper-case-scheme": _line("HTTP://{host}/tested"),
    "address": _line("http://127.0.0.1:{port}/tested"),
    "file-with-host": _line("file://localhost/srv/tested", scheme="file"),
    "copy-slashes": _line("copy:////srv/tested", scheme="copy"),
    "deb822-flat-slashes": Form(text=deb822(uris="{url}//", suites="/", components=""), flat=""),
    "packed-on-disk": _line(config='Acquire::GzipIndexes "true";\nAcquire::CompressionTypes::Order:: "gz";\n'),
    "packed-on-disk-flat": _flat("./", "", config='Acquire::GzipIndexes "true";\n'),
    "plus-flat": _flat("c++/", "c++/"),
    "tilde-flat": _flat("./~vendor/", "~vendor/"),
    "other-directory": _line(config='Dir::State::Lists "/var/lib/apt/other-lists";\n'),
    # what a line may look like
    "wide": Form(text="deb\t[ arch=amd64   signed-by={key} ]  {url}\t{dist}   main  # the vendor's\n"),
    "carriage-returns": Form(text="deb [signed-by={key}] {url} {dist} main \r\n"),
    "deb822-folded": Form(text=deb822(suites="\n {dist}", uris="\n  {url}").replace("Types", "# a comment\nTypes")),
    "deb822-lower-case": Form(
        text=deb822().replace("Types", "types").replace("URIs", "uris").replace("Suites", "SUITES")
    ),
    "fingerprint": _line(options="signed-by={fingerprint}"),
    "two-keyrings": _line(options="signed-by=/usr/share/keyrings/absent.gpg,{key}"),
    "conflicting-keys": Form(text=LINE + LINE.replace("{key}", BINARY_KEY)),
    # several sources
    "one-place-in-another": Form(
        text=LINE + LINE.replace("{url}", "{url}/deb"), places=("tested", "tested/deb"), entries=_IN_ONE_PLACE
    ),
    "suite-in-another": Form(
        text=LINE.replace("{dist}", "stable") + LINE.replace("{dist}", "stable-updates"),
        dists=("stable", "stable-updates"),
        entries=_OTHER_SUITES,
    ),
    "slash-and-none": Form(
        text=LINE.replace("{url}", "{url}/") + LINE.replace("{dist}", "second"),
        dists=("{dist}", "second"),
        entries=TWO_SUITES,
    ),
    "disabled-stanza": Form(text=deb822() + "\n" + deb822(suites="absent").replace("Types", "Enabled: no\nTypes")),
    "two-mirrors": Form(text=LINE.replace("{url}", "mirror+file:/srv/tested.mirrors"), places=("tested-a", "tested-b")),
    # what apt is configured to pass over
    "contents": _line(config=_CONTENTS),
    "languages": _line(config='Acquire::Languages { "de"; "en"; };\n'),
    "valid-until-off": _line(options="signed-by={key} check-valid-until=no"),
    "valid-until-off-everywhere": _line(config='Acquire::Check-Valid-Until "false";\n'),
    "date-off": _line(options="signed-by={key} check-date=no"),
    "valid-for-a-minute": _line(options="signed-by={key} valid-until-max=10"),
    "proxy": _line("http://nowhere.test/tested", config='Acquire::http::Proxy "http://{host}/";\n'),
    "no-release-wanted": _flat("./", "", url="[trusted=yes] {url}"),
    "insecure-everywhere": _line(config='Acquire::AllowInsecureRepositories "true";\n'),
    "downgrade-allowed": _line(options="signed-by={key} allow-downgrade-to-insecure=yes"),
    "changes-allowed": _line(config='Acquire::AllowReleaseInfoChange "true";\n'),
    "label-change-allowed": _line(config='Acquire::AllowReleaseInfoChange::Label "true";\n'),
    "any-error": _line(config='APT::Update::Error-Mode "any";\n'),
    "no-languages": _line(config='Acquire::Languages "none";\nAcquire::Retries "0";\n'),
    # architectures
    "foreign": _line(architectures="i386\n"),
    "foreign-only": _line(options="arch=i386 signed-by={key}", architectures="i386\n"),
    "unknown-architecture": _line(options="arch=armhf signed-by={key}"),
    "architecture-added": _line(options="arch+=armhf signed-by={key}"),
    "sources-only": Form(text=LINE.replace("deb ", "deb-src ", 1), third_party_only=True),
    # secrets
    "token": _line(f"http://{PASSWORD}@{{host}}/tested"),
    "encoded-password": _line(f"http://user%40corp:{_ENCODED}{PASSWORD}@{{host}}/tested"),
    "long-password": _line(f"http://{USER}:{PASSWORD}{'x' * 200}@{{host}}/tested"),
    "empty-user": _line(f"http://:{PASSWORD}@{{host}}/tested"),
    "upper-case-login": _line(f"HTTP://{USER}:{PASSWORD}@{{host}}/tested"),
    "deb822-login": Form(text=deb822(uris="{login_url}"), login=True),
    "deb822-login-slashes": Form(text=deb822(uris="{login_url}//"), login=True),
    "https-login": _line(f"https://{USER}:{PASSWORD}@{{host}}/tested"),
    "no-method-login": _line(f"s3://{USER}:{PASSWORD}@{{host}}/tested"),
    "query": _line(f"{{url}}/?token={PASSWORD}&x="),
    "slash-password": _line(f"http://{USER}:x/{PASSWORD}@{{host}}/tested"),
    "address-login": _line(f"http://{USER}:{PASSWORD}@[::1]:{{port}}/tested"),
    "flat-login-slashes": _flat("/", "", url="{login_url}//", login=True),
    "proxy-of-host-login": _line(config=f'Acquire::http::Proxy::{HOST} "http://{USER}:{PASSWORD}@127.0.0.1:1";\n'),
    "proxy-login": _line(config=f'Acquire::http::Proxy "http://{USER}:{PASSWORD}@{HOST}:1/";\n'),
    "mirrors-with-login": _line("mirror+file:/etc/apt/tested.mirrors", login=True),
    # methods
    "https-to-http": _line("https://{host}/tested"),
    "no-method": _line("s3://{host}/tested"),
    "ipv6": _line("http://[::1]:{port}/tested"),
}


def _long_description(release: bytes) -> bytes:
    return b"Description: " + b"many words " * 2000 + b"\n" + release


def _foreign_bytes(release: bytes) -> bytes:
    return release.replace(b"\n", b"\nDescription: D\xe9p\xf4t\n", 1)


UNUSUAL_INDEXES: Mapping[str, Index] = {
    # what apt passes over
    "by-hash-promised": Index(fields={"Acquire-By-Hash": "yes"}),
    "xz-promised": Index(listed=("", ".gz", ".xz")),
    "everything-promised": Index(packed=(".gz",), listed=("", ".gz", ".xz", ".bz2", ".lzma", ".zst")),
    "unsigned-too": Index(signed=Signed.BOTH, hashes=("MD5Sum", "SHA1", "SHA256", "SHA512")),
    "sha512": Index(hashes=("SHA512",)),
    "lzma": Index(packed=(".lzma",), listed=("", ".lzma")),
    "translation-promised": Index(extra={"main/i18n/Translation-de": None, "main/i18n/Translation-en": None}),
    "differences-promised": Index(extra={"main/binary-amd64/Packages.diff/Index": None}),
    "contents-promised": Index(extra={"main/Contents-amd64": None}),
    # fields
    "crlf": Index(edit=lambda release: release.replace(b"\n", b"\r\n")),
    "lower-case-fields": Index(
        edit=lambda release: release.replace(b"Origin:", b"origin:").replace(b"Label:", b"LABEL:")
    ),
    "long-description": Index(edit=_long_description),
    "foreign-bytes": Index(edit=_foreign_bytes),
    "no-spaces": Index(edit=lambda release: release.replace(b": ", b":")),
    "wide-spaces": Index(edit=lambda release: release.replace(b": ", b": \t ")),
    "folded": Index(edit=lambda release: release.replace(b"Date:", b"Description: one\n Origin: Other\n .\nDate:")),
    "date-with-offset": Index(edit=lambda release: release.replace(b" UTC\n", b" +0000\n")),
    "date-invalid": Index(fields={"Date": "yesterday"}),
    "valid-until-invalid": Index(fields={"Valid-Until": "never"}, reason="Invalid 'Valid-Until' entry"),
    "old": Index(released=timedelta(days=-540)),
    "no-suite": Index(fields={"Suite": None}),
    "no-codename": Index(fields={"Codename": None}),
    "not-automatic": Index(fields={"NotAutomatic": "yes", "ButAutomaticUpgrades": "yes"}),
    "weak": Index(hashes=("MD5Sum",)),
    # what is not promised, and what is empty
    "no-components-field": Index(fields={"Components": None}),
    "no-architectures-field": Index(fields={"Architectures": None}),
    "other-architectures": Index(architectures=("arm64",), fields={"Architectures": "arm64 armhf"}),
    "all-as-native": Index(
        architectures=("all", "amd64"),
        fields={"Architectures": "all amd64", "No-Support-for-Architecture-all": "Packages"},
    ),
    "all-and-others": Index(architectures=("all",), fields={"Architectures": "all amd64"}),
    "empty-gz": Index(empty=True, packed=(".gz",), listed=("", ".gz")),
    "empty-xz": Index(empty=True, packed=(".xz",), listed=("", ".xz")),
    "empty-by-hash": Index(empty=True, by_hash_only=True, fields={"Acquire-By-Hash": "yes"}),
    "empty-detached": Index(empty=True, signed=Signed.DETACHED),
    "empty-unsigned": Index(empty=True, signed=Signed.NOT),
    "blank": Index(text=b"\n\n"),
    "only-newline": Index(text=b"\n", packed=(".gz",), listed=("", ".gz")),
    "prefixed-components": Index(fields={"Components": "updates/main updates/contrib"}),
    "no-hashes": Index(hashes=()),
}


def _after(count: int, code: int) -> Callable[[Bench], None]:
    """Return a cause that refuses the first requests for each file."""

    def cause(bench: Bench) -> None:
        left: dict[str, int] = {}

        def answer(handler: Handler) -> bool:
            left[handler.path] = left.get(handler.path, count) - 1
            if left[handler.path] < 0:
                return False
            handler.send_error(code)
            return True

        bench.server.answer = answer

    return cause


def _to(target: str, part: str = "") -> Callable[[Handler], bool]:
    def answer(handler: Handler) -> bool:
        if part in handler.path and not handler.path.startswith("/elsewhere"):
            handler.redirect(target.replace("{path}", handler.path).replace("{port}", str(handler.state.port)))
            return True
        return False

    return answer


def _sent(content: bytes, part: str) -> Callable[[Handler], bool]:
    def answer(handler: Handler) -> bool:
        if not handler.path.endswith(part):
            return False
        handler.send_body(content)
        return True

    return answer


def _renamed_second(bench: Bench) -> None:
    bench.names["Label"] = "Renamed"
    dists, bench.form = bench.form.dists, replace(bench.form, dists=bench.form.dists[1:])
    bench.publish(clear=False)
    bench.form = replace(bench.form, dists=dists)


def _bad_line(text: str) -> Fault:
    return Fault(cause=lambda bench: bench.machine.write("/etc/apt/sources.list.d/bad.list", text))


def _proxy_script(bench: Bench) -> None:
    script = f"#!/bin/sh\necho http://{USER}:{PASSWORD}@127.0.0.1:1/\n"
    bench.machine.write("/usr/local/bin/proxy-of-row", script, mode=0o755)
    bench.machine.write(
        "/etc/apt/apt.conf.d/99row-p", 'Acquire::http::Proxy-Auto-Detect "/usr/local/bin/proxy-of-row";\n'
    )


def _expired_key(bench: Bench) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        signer = Signer(Path(scratch, "key"), faked="20240101T000000", expires="2024-02-01")
        bench.machine.path(KEY).write_bytes(signer.public_key)
        bench.publish(signer)
        signer.close()


def _hook_and_refused(bench: Bench) -> None:
    bench.machine.write("/etc/apt/apt.conf.d/99row-hook", 'APT::Update::Post-Invoke {"false";};\n')
    bench.server.stop()


def _preferences_and_404(bench: Bench) -> None:
    FAULTS["bad-preferences"].cause(bench)
    FAULTS["404"].cause(bench)


_LOGIN = f"http://{USER}:{PASSWORD}@"
_UNAUTHORIZED = ("unauthorized",)
UNUSUAL_FAULTS: Mapping[str, Fault] = {
    "first-503": Fault(cause=_after(1, 503), http=True),
    "inrelease-410": status(410, "not-found", part="InRelease"),
    "inrelease-403": status(403, *_UNAUTHORIZED, part="InRelease"),
    "inrelease-500": status(500, *UNREACHABLE, part="InRelease"),
    "release-401": status(401, *_UNAUTHORIZED, part="/Release"),
    "signature-403": status(403, *_UNAUTHORIZED, "unsigned", part="Release.gpg"),
    "signature-404": status(404, "not-found", "unsigned", part="Release.gpg"),
    "signature-500": status(500, *UNREACHABLE, "unsigned", part="Release.gpg"),
    "by-hash-404": status(404, "not-found", part="by-hash"),
    "by-hash-403": status(403, *_UNAUTHORIZED, "not-found", part="by-hash"),
    "translation-500": status(500, *UNREACHABLE, part="Translation"),
    "first-mirror-503": status(503, *UNREACHABLE, part="/tested-a"),
    "first-mirror-404": status(404, "not-found", part="/tested-a"),
    "both-mirrors-503": status(503, *UNREACHABLE, part="/tested-"),
    "inner-503": status(503, *UNREACHABLE, part="/deb/"),
    "inner-404": status(404, "not-found", part="/deb/"),
    "updates-503": status(503, *UNREACHABLE, part="-updates"),
    "second-503": status(503, *UNREACHABLE, part="/second"),
    "second-404": status(404, "not-found", part="/second"),
    "second-renamed": Fault(cause=_renamed_second, codes=frozenset({"release-changed"}), later=True, republishes=True),
    "402": status(402, "unauthorized", "unreachable", "other"),
    "418": status(418, "unreachable", "other"),
    "451": status(451, "unauthorized", "unreachable", "other"),
    "511": status(511, "unauthorized", "unreachable", "other"),
    "204": status(204, "corrupt", "unreachable", "other"),
    "empty-inrelease": from_server(_sent(b"", "InRelease"), "corrupt"),
    "text-inrelease": from_server(_sent(b"Under maintenance.\n", "InRelease"), "corrupt"),
    "html-release": from_server(_sent(b"<html><body>Sign in</body></html>\n", "Release"), "corrupt", "unsigned"),
    "html-signature": from_server(
        _sent(b"<html><body>Sign in</body></html>\n", "Release.gpg"), "bad-signature", "unsigned", "corrupt"
    ),
    "html-lists": from_server(_sent(b"<html><body>Sign in</body></html>\n", "Packages.gz"), "corrupt"),
    "moved-to-404": from_server(_to("/nowhere{path}"), "not-found"),
    "moved-to-403": from_server(_to("/forbidden{path}"), *_UNAUTHORIZED),
    "moved-to-login": from_server(_to(f"{_LOGIN}{HOST}:{{port}}/nowhere{{path}}"), "not-found"),
    "moved-to-closed-login": from_server(_to(f"{_LOGIN}{HOST}:1{{path}}"), *UNREACHABLE),
    "moved-with-token": from_server(_to(f"/nowhere{{path}}?token={PASSWORD}"), "not-found"),
    "inrelease-moved-to-404": from_server(_to("/nowhere{path}", "InRelease"), "not-found"),
    "wrong-login": Fault(
        cause=lambda bench: setattr(bench.server, "login", (USER, "another")),
        codes=frozenset(_UNAUTHORIZED),
        http=True,
    ),
    "proxy-407": status(407, *_UNAUTHORIZED),
    "bad-line-with-login": _bad_line(f"deb {_LOGIN}{HOST}/more\n"),
    "bad-options-with-login": _bad_line(f"deb [unknown=1 {_LOGIN}{HOST}/more stable main\n"),
    "bad-type-with-login": _bad_line(f"dep {_LOGIN}{HOST}/more stable main\n"),
    "hook-with-login": Fault(
        cause=lambda bench: bench.machine.write(
            "/etc/apt/apt.conf.d/99row-hook", f'APT::Update::Post-Invoke {{"curl {_LOGIN}127.0.0.1:1/ || exit 9";}};\n'
        )
    ),
    "proxy-script": Fault(cause=_proxy_script, codes=frozenset(UNREACHABLE), http=True),
    "unsigned-now": Fault(
        cause=lambda bench: bench.publish(signed=Signed.NOT),
        codes=frozenset({"unsigned"}),
        later=True,
        republishes=True,
    ),
    "unreadable-key": Fault(cause=lambda bench: bench.machine.path(KEY).chmod(0o600), only_signed=True),
    "expired-key": Fault(cause=_expired_key, codes=frozenset({"bad-signature"}), republishes=True, only_signed=True),
    "hook-and-refused": Fault(cause=_hook_and_refused, codes=frozenset(UNREACHABLE), http=True),
    "preferences-and-404": replace(status(404, "not-found"), cause=_preferences_and_404),
    "ignored-file": Fault(
        cause=lambda bench: bench.machine.write("/etc/apt/sources.list.d/tested.list.bak", "rubbish\n")
    ),
}


ALL_FORMS: Mapping[str, Form] = {**FORMS, **UNUSUAL_FORMS, **RARE_FORMS}
ALL_INDEXES: Mapping[str, Index] = {**INDEXES, **UNUSUAL_INDEXES, **RARE_INDEXES}
ALL_FAULTS: Mapping[str, Fault] = {**FAULTS, **UNUSUAL_FAULTS, **RARE_FAULTS}
