"""Rare forms, indexes and faults: options of sources.list(5), the machine's disk and clock, mirrors, signatures."""

import base64
import re
import ssl
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from tests.sources.bench import HOST, LISTS, LISTS_OF_APT, Bench
from tests.sources.faults import CORRUPT, UNREACHABLE, Fault, configured, from_server, of_files, status, written
from tests.sources.forms import KEY, LINE, Form, deb822
from tests.sources.indexes import Index, Signed
from tests.sources.server import Handler
from tests.support.authority import Authority


def _line(options: str = "", url: str = "{url}", dist: str = "{dist}", **changes: object) -> Form:
    text = f"deb [signed-by={{key}} {options}] {url} {dist} main\n"
    return replace(Form(text=text), **changes)  # type: ignore[arg-type]


def _field(*fields: str, **changes: object) -> Form:
    return replace(Form(text=deb822("Signed-By: {key}", *fields)), **changes)  # type: ignore[arg-type]


_DEP11 = (
    'Acquire::IndexTargets::deb::DEP-11 { MetaKey "$(COMPONENT)/dep11/Components-$(NATIVE_ARCHITECTURE).yml"; '
    'ShortDescription "Components"; Description "$(RELEASE)/$(COMPONENT) DEP-11"; %s };\n'
)

RARE_FORMS: Mapping[str, Form] = {
    # places
    "exact-path": Form(text="deb [signed-by={key}] {url} dists/x/\n", flat="dists/x/"),
    "exact-path-in-other": Form(
        text="deb [signed-by={key}] {url}/dists x/main/\n", flat="x/main/", places=("tested/dists",)
    ),
    "two-files-slash": Form(text=LINE + LINE.replace("{url}", "{url}/")),
    "two-components-lines": Form(text=LINE + LINE.replace(" main", " contrib"), components=("main", "contrib")),
    "two-stanzas": Form(text=deb822() + "\n" + deb822()),
    "two-options": Form(text=LINE + LINE.replace("[", "[arch=amd64 ")),
    "flat-with-components": Form(text=deb822(suites="./"), flat=""),
    "flat-line-with-components": Form(text="deb [signed-by={key}] {url} ./ main\n", flat=""),
    "no-components": Form(text=deb822(components="")),
    "fragment": _line(url="{url}/#x"),
    "port-80": _line(url="http://{host}:/tested"),
    "two-uris-slash": Form(text=deb822(uris="{url} {url}/")),
    "deb822-three-uris": Form(
        text=deb822(uris="{url}-a {url}-b {url}-c"),
        places=("tested-a", "tested-b", "tested-c"),
        entries=(("tested-a",), ("tested-b",), ("tested-c",)),
    ),
    "refused-ipv6": _line(url="http://[::1]:1/tested"),
    "nested-suites": Form(
        text=LINE + LINE.replace("{dist}", "{dist}/updates"),
        dists=("{dist}", "{dist}/updates"),
        entries=(("tested", "{dist}(?!/)"), ("tested", "{dist}/updates")),
    ),
    "enabled-yes": _field("Enabled: yes"),
    "deb822-comments": Form(text="# x\n\n" + deb822("Signed-By: {key}", "X-Repolib-Name: x", "# y")),
    "armor-in-line": _line("trusted=no"),
    "inline-key-path-list": Form(text=deb822("Signed-By: {key} /usr/share/keyrings/none.gpg")),
    # options
    "by-hash-no": _line("by-hash=no"),
    "by-hash-force": _field("By-Hash: force"),
    "pdiffs-no": _field("PDiffs: no"),
    "targets-packages": _field("Targets: Packages"),
    "targets-without": _line("target-=Translations"),
    "targets-none": _line("target-=Packages"),
    "targets-unknown": _field("Targets: Packages Absent"),
    "languages-none": _field("Languages: none"),
    "languages-two": _field("Languages: de fr"),
    "languages-everywhere": _line(config='Acquire::Languages { "environment"; "de"; "none"; "en"; };\n'),
    "two-architectures": _field("Architectures: amd64 arm64"),
    "not-its-architecture": _field("Architectures-Remove: amd64"),
    "allow-insecure": _field("Allow-Insecure: yes"),
    "allow-weak": _field("Allow-Weak: yes"),
    "allow-weak-everywhere": _line(config='Acquire::AllowWeakRepositories "true";\n'),
    "trusted-and-weak": Form(text=deb822("Trusted: yes", "Allow-Weak: yes")),
    "downgrade-everywhere": _line(config='Acquire::AllowDowngradeToInsecureRepositories "true";\n'),
    "valid-until-no": _field("Check-Valid-Until: no"),
    "check-date-no": _field("Check-Date: no"),
    "date-max-future": _line("date-max-future=200000"),
    "max-future-everywhere": _line(config='Acquire::Max-FutureTime "200000";\n'),
    "valid-until-min": _field("Valid-Until-Min: 86400"),
    "valid-until-max": _field("Valid-Until-Max: 10"),
    "min-valid-everywhere": _line(config='Acquire::Min-ValidTime "86400";\n'),
    "max-valid-everywhere": _line(config='Acquire::Max-ValidTime "10";\n'),
    "max-valid-of-label": _line(config='Acquire::Max-ValidTime::Vendor "10";\n'),
    "snapshot": _line("snapshot=20240101T000000Z"),
    "snapshot-enable": _field("Snapshot: enable"),
    "snapshot-no": _field("Snapshot: no"),
    "include": _field("Include: a"),
    "exclude": _field("Exclude: a"),
    "dep11": _line(config=_DEP11 % 'Optional "true";'),
    "dep11-demanded": _line(config=_DEP11 % 'Optional "false";'),
    "no-sandbox-user": _line(config='APT::Sandbox::User "nobody-of-this-name";\n'),
    "root-sandbox": _line(config='APT::Sandbox::User "root";\n'),
    "retries": _line(config='Acquire::Retries "2";\n'),
    "gzip-indexes": _line(config='Acquire::GzipIndexes "true";\n'),
    "no-signed-by": Form(text="deb {url} {dist} main\n"),
    "config-only-deb822": _field("Check-Valid-Until: no", "Check-Date: no", "Allow-Insecure: no"),
    "foreign-arch": _line(architectures="i386\narmhf\n"),
    "foreign-arch-flat": Form(text="deb [signed-by={key}] {url} ./\n", flat="", architectures="i386\n"),
    "no-cache": _line(config='Dir::Cache::pkgcache "";\nDir::Cache::srcpkgcache "";\n'),
    "pipeline-off": _line(config='Acquire::http::Pipeline-Depth "0";\nAcquire::http::No-Cache "true";\n'),
    "list-cleanup-off": _line(config='APT::Get::List-Cleanup "0";\n'),
    "https": _line(url="https://{host}/tested"),
    "copy-two": Form(
        text=deb822(suites="{dist} second"),
        scheme="copy",
        dists=("{dist}", "second"),
        entries=(("tested", "{dist}"), ("tested", "second")),
    ),
}


def _duplicate_fields(release: bytes) -> bytes:
    return release + b"Label: Another\n"


RARE_INDEXES: Mapping[str, Index] = {
    "no-all-support": Index(fields={"No-Support-for-Architecture-all": "Packages"}),
    "all-promised-missing": Index(fields={"Architectures": "all amd64"}),
    "all-and-foreign": Index(architectures=("amd64", "all"), fields={"Architectures": "all amd64 i386"}),
    "changed-by": Index(fields={"Changed-By": "X <x@example.org>", "Version": "12.5", "Description": "x"}),
    "sha1": Index(hashes=("SHA1",)),
    "sha1-and-md5": Index(hashes=("MD5Sum", "SHA1")),
    "sha1-detached": Index(hashes=("SHA1",), signed=Signed.DETACHED),
    "by-hash-without": Index(packed=(".xz",), fields={"Acquire-By-Hash": "yes"}),
    "by-hash-detached": Index(signed=Signed.DETACHED, by_hash_only=True, fields={"Acquire-By-Hash": "yes"}),
    "by-hash-not-said": Index(by_hash_only=True),
    "signed-by-other": Index(fields={"Signed-By": "A" * 40}),
    "signed-by-list": Index(fields={"Signed-By": f"{'A' * 40}, {'B' * 40}"}),
    "dep11-promised": Index(extra={"main/dep11/Components-amd64.yml": None}),
    "dep11-there": Index(extra={"main/dep11/Components-amd64.yml": b"---\nFile: DEP-11\n"}),
    "translations": Index(extra={"main/i18n/Translation-en": b"Package: a\nDescription-md5: x\nDescription-en: y\n"}),
    "translations-missing": Index(
        extra={"main/i18n/Translation-de": None, "main/i18n/Translation-en": None, "main/i18n/Translation-fr": None}
    ),
    "i386-promised": Index(fields={"Architectures": "amd64 i386"}),
    "i386-listed": Index(fields={"Architectures": "amd64 i386"}, extra={"main/binary-i386/Packages": None}),
    "size-mismatch": Index(
        edit=lambda release: re.sub(rb"^( [0-9a-f]+) (\d+) ", rb"\1 9\2 ", release, flags=re.MULTILINE)
    ),
    "hash-mismatch": Index(edit=lambda release: re.sub(rb"^ [0-9a-f]", b" g", release, flags=re.MULTILINE)),
    "wrong-hash": Index(
        edit=lambda release: re.sub(
            rb"^ ([0-9a-f])", lambda m: b" 0" if m[1] != b"0" else b" 1", release, flags=re.MULTILINE
        )
    ),
    "duplicate-fields": Index(edit=_duplicate_fields),
    "trailing-blank": Index(edit=lambda release: release + b"\n\n"),
    "leading-blank": Index(edit=lambda release: b"\n" + release),
    "two-stanzas": Index(edit=lambda release: release + b"\nOrigin: Other\n"),
    "no-newline": Index(edit=lambda release: release.rstrip(b"\n")),
    "nul": Index(edit=lambda release: release.replace(b"Date:", b"X-Nul: a\0b\nDate:")),
    "colonless": Index(edit=lambda release: release.replace(b"Date:", b"nonsense\nDate:")),
    "upper-case-components": Index(fields={"Components": "Main"}),
    "folded-components": Index(fields={"Components": "\n main\n contrib"}),
    "folded-architectures": Index(fields={"Architectures": "\n amd64\n arm64"}),
    "tabs": Index(fields={"Components": "main\tcontrib", "Architectures": "amd64\tarm64"}),
    "prefixed-suite": Index(fields={"Components": "x/main", "Codename": "x"}),
    "empty-components": Index(fields={"Components": ""}),
    "empty-architectures": Index(fields={"Architectures": ""}),
    "only-all-named": Index(architectures=("all",), fields={"Architectures": "all arm64"}),
    "empty-all": Index(architectures=("all", "amd64"), fields={"Architectures": "all amd64"}, empty=True),
    "empty-zst": Index(empty=True, packed=(".zst",), listed=("", ".zst")),
    "empty-packed-alone": Index(empty=True, packed=(".xz",)),
    "empty-plain": Index(empty=True, packed=("",)),
    "empty-both": Index(empty=True, signed=Signed.BOTH, packed=("", ".gz", ".xz")),
    "rfc850": Index(edit=lambda release: release.replace(b" UTC\n", b" GMT\n")),
    "zone-z": Index(edit=lambda release: release.replace(b" UTC\n", b" Z\n")),
    "negative-offset": Index(edit=lambda release: release.replace(b" UTC\n", b" -0000\n")),
    "other-offset": Index(edit=lambda release: release.replace(b" UTC\n", b" +0200\n")),
    "short-day": Index(edit=lambda release: re.sub(rb"(Date: \w+, )0", rb"\1", release)),
    "29-days": Index(released=timedelta(days=-29)),
    "31-days": Index(released=timedelta(days=-31)),
    "31-days-valid": Index(released=timedelta(days=-31), valid_for=timedelta(days=1)),
    "31-days-detached": Index(released=timedelta(days=-31), signed=Signed.DETACHED),
    "years": Index(released=timedelta(days=-9000)),
    "1970": Index(fields={"Date": "Thu, 01 Jan 1970 00:00:00 UTC"}),
    "9999": Index(fields={"Valid-Until": "Fri, 31 Dec 9999 23:59:59 UTC"}),
    "valid-before-date": Index(fields={"Valid-Until": "Thu, 01 Jan 2026 00:00:00 UTC"}),
    "31-days-empty": Index(released=timedelta(days=-31), empty=True),
    "in-a-minute": Index(released=timedelta(seconds=8)),
    "31-days-no-suite": Index(released=timedelta(days=-31), fields={"Suite": None}),
}


def _first(answer: Callable[[Handler], None], count: int = 1) -> Callable[[Bench], None]:
    def cause(bench: Bench) -> None:
        left: dict[str, int] = {}

        def send(handler: Handler) -> bool:
            left[handler.path] = left.get(handler.path, count) - 1
            if left[handler.path] < 0:
                return False
            answer(handler)
            return True

        bench.server.answer = send

    return cause


def _wait(code: int) -> Callable[[Handler], None]:
    def answer(handler: Handler) -> None:
        handler.send_response(code)
        handler.send_header("Retry-After", "1")
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


def _waiting(handler: Handler) -> bool:
    _wait(503)(handler)
    return True


def _half_and_reset(handler: Handler, content: bytes) -> None:
    handler.send_body(content[: len(content) // 2], length=len(content))
    handler.wfile.flush()
    handler.reset()


def _chunked(handler: Handler) -> bool:
    handler.send_response(200)
    handler.send_header("Content-Type", "text/html")
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    body = b"<html><body>Sign in to the network</body></html>\n"
    handler.wfile.write(f"{len(body):x}\r\n".encode() + body + b"\r\n0\r\n\r\n")
    return True


def _bad_chunks(handler: Handler) -> bool:
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    handler.wfile.write(b"zz\r\nrubbish\r\n")
    handler.close_connection = True
    return True


def _no_length(handler: Handler, content: bytes) -> None:
    handler.send_response(200)
    handler.send_header("Connection", "close")
    handler.end_headers()
    handler.wfile.write(content)
    handler.close_connection = True


def _rubbish(handler: Handler) -> bool:
    handler.wfile.write(b"SSH-2.0-OpenSSH_9.2\r\n")
    handler.close_connection = True
    return True


def _closed(handler: Handler) -> bool:
    handler.close_connection = True
    return True


def _bare(code: int) -> Callable[[Handler], bool]:
    def answer(handler: Handler) -> bool:
        handler.send_response_only(code)
        handler.send_header("Content-Length", "0")
        handler.end_headers()
        return True

    return answer


def _partial_first(code: int) -> Callable[[Bench], None]:
    """Return a cause that leaves part of a list behind, and a server that answers a range with this code."""

    def cause(bench: Bench) -> None:
        name = f"{bench.host}_tested_dists_{bench.dist}_InRelease"
        for directory in (LISTS, LISTS_OF_APT):
            bench.machine.write(f"{directory}/partial/{name}", "-----BEGIN PGP")

        def answer(handler: Handler) -> bool:
            content = handler.content()
            if "Range" not in handler.headers or content is None:
                return False
            start = int(handler.headers["Range"].partition("=")[2].rstrip("-"))
            if code == 416:
                handler.send_response(416)
                handler.send_header("Content-Range", f"bytes */{len(content)}")
                handler.send_header("Content-Length", "0")
                handler.end_headers()
                return True
            handler.send_response(206)
            handler.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            handler.send_header("Content-Length", str(len(content) - start))
            handler.end_headers()
            handler.wfile.write(content[start:])
            return True

        bench.server.answer = answer

    return cause


def _on_lists(command: str) -> Callable[[Bench], None]:
    def cause(bench: Bench) -> None:
        for directory in (LISTS, LISTS_OF_APT):
            bench.machine.check(command.replace("DIR", directory))

    return cause


_FULL = (
    "cp -a DIR /tmp/kept; mount -t tmpfs -o size=40k tmpfs DIR && cp -a /tmp/kept/. DIR/; rm -r /tmp/kept; "
    "mkdir -p DIR/partial; dd if=/dev/zero of=DIR/filler bs=1k count=100 2>/dev/null; true"
)


def _mirrors(text: str) -> Callable[[Bench], None]:
    def cause(bench: Bench) -> None:
        bench.machine.write("/srv/tested.mirrors", text.replace("{host}", bench.host))

    return cause


def _armored(text: bytes) -> bytes:
    """Return the packets of an armored signature."""
    block = text[text.index(b"-----BEGIN PGP SIGNATURE-----") :].decode().splitlines()
    lines = block[block.index("") + 1 : block.index("-----END PGP SIGNATURE-----")]
    return base64.b64decode("".join(line for line in lines if not line.startswith("=")))


def _published(bench: Bench) -> tuple[Path, bytes]:
    """Publish; return the InRelease file, and its text without the signature."""
    bench.publish()
    path = bench.machine.path(f"/srv/tested/dists/{bench.dist}/InRelease")
    text = path.read_bytes().partition(b"\n\n")[2].partition(b"-----BEGIN PGP SIGNATURE-----")[0]
    return path, text.rstrip(b"\n") + b"\n"


def _signed_twice(*, other_first: bool) -> Callable[[Bench], None]:
    def cause(bench: Bench) -> None:
        path, body = _published(bench)
        own = bench.signer.sign(body)
        parts = [_armored(bench.stranger.sign(body)), _armored(own)]
        packets = b"".join(parts if other_first else parts[::-1])
        armor = b"\n".join(base64.b64encode(packets[i : i + 48]) for i in range(0, len(packets), 48))
        start = own.index(b"-----BEGIN PGP SIGNATURE-----")
        signature = b"-----BEGIN PGP SIGNATURE-----\n\n" + armor + b"\n-----END PGP SIGNATURE-----\n"
        path.write_bytes(own[:start] + signature)

    return cause


def _weakly_signed(bench: Bench) -> None:
    path, body = _published(bench)
    path.write_bytes(bench.signer.sign(body, digest="SHA1"))


def _republished(name: str, edit: Callable[[bytes], bytes]) -> Callable[[Bench], None]:
    def cause(bench: Bench) -> None:
        bench.publish()
        path = bench.machine.path(f"/srv/tested/dists/{bench.dist}/{name}")
        path.write_bytes(edit(path.read_bytes()))

    return cause


def _over_tls(
    *, names: str = f"DNS:{HOST}", expired: bool = False, known: bool = True, redirect: bool = False
) -> Callable[[Bench], None]:
    def cause(bench: Bench) -> None:
        port = bench.server.secure(_certified(bench, names, expired=expired, known=known))

        def answer(handler: Handler) -> bool:
            if handler.headers["Host"].endswith(str(port)):
                return False
            handler.redirect(f"https://{HOST}:{port}{handler.path}")
            return True

        if redirect:
            bench.server.answer = answer
        else:
            bench.write_source(bench.form.text.replace("{url}", f"https://{HOST}:{port}/tested"))

    return cause


def _certified(bench: Bench, names: str, *, expired: bool, known: bool) -> ssl.SSLContext:
    """Return a certificate of these names; the machine knows its authority if `known`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as scratch:
        authority = Authority.make(Path(scratch, "ca"))
        certificate = authority.sign("row", names=names, expired=expired)
        context.load_cert_chain(certificate.file, certificate.key)
        if known:
            bench.machine.write("/etc/ssl/row.pem", authority.file.read_text())
            bench.machine.write("/etc/apt/apt.conf.d/99row-tls", 'Acquire::https::CaInfo "/etc/ssl/row.pem";\n')
    return context


def _key_file(path: str, content: bytes, mode: int = 0o644) -> Fault:
    def cause(bench: Bench) -> None:
        bench.machine.path(path).write_bytes(content)
        bench.machine.path(path).chmod(mode)

    return Fault(cause=cause)


def _legacy_key(bench: Bench) -> None:
    bench.machine.check("rm /etc/apt/trusted.gpg.d/test.asc")
    bench.machine.path("/etc/apt/trusted.gpg").write_bytes(bench.signer.export())


def _of_machine(command: str) -> Fault:
    def cause(bench: Bench) -> None:
        bench.machine.check(command)

    return Fault(cause=cause)


def _hook_and_label(bench: Bench) -> None:
    bench.machine.write("/etc/apt/apt.conf.d/99row-hook", 'APT::Update::Post-Invoke {"false";};\n')
    bench.names["Label"] = "Renamed"
    bench.publish()


RARE_FAULTS: Mapping[str, Fault] = {
    "a-inrelease-404": status(404, "not-found", part="tested-a/dists"),
    "translation-404": status(404, "not-found", part="Translation"),
    "translation-403": status(403, "unauthorized", part="Translation"),
    "dep11-404": status(404, "not-found", part="dep11"),
    "dep11-500": status(500, "unreachable", part="dep11"),
    "b-503": status(503, "unreachable", part="/tested-b"),
    "updates-dir-404": status(404, "not-found", part="/updates/"),
    "wait-503": Fault(cause=_first(_wait(503)), http=True),
    "wait-429": Fault(cause=_first(_wait(429)), http=True),
    "wait-503-thrice": Fault(cause=_first(_wait(503), 3), http=True),
    "wait-always": from_server(_waiting, *UNREACHABLE),
    "reset-in-list": of_files("Packages", _half_and_reset, *UNREACHABLE, *CORRUPT),
    "reset-in-release": of_files("InRelease", _half_and_reset, *UNREACHABLE, *CORRUPT),
    "chunked-portal": from_server(_chunked, *CORRUPT),
    "bad-chunks": from_server(_bad_chunks, "unreachable", "corrupt", "other"),
    "no-length": of_files("", _no_length),
    "other-protocol": from_server(_rubbish, *UNREACHABLE),
    "closed": from_server(_closed, *UNREACHABLE),
    "bare-403": from_server(_bare(403), "unauthorized"),
    "bare-404": from_server(_bare(404), "not-found"),
    "bare-500": from_server(_bare(500), "unreachable"),
    "bare-206": from_server(_bare(206), "unreachable", "corrupt", "other"),
    "304-always": from_server(_bare(304), "unreachable", "corrupt", "other"),
    "416-always": from_server(_bare(416), "unreachable", "corrupt", "other"),
    "range-206": Fault(cause=_partial_first(206), http=True),
    "range-416": Fault(cause=_partial_first(416), http=True),
    "disk-full": Fault(cause=_on_lists(_FULL)),
    "no-partial": Fault(cause=_on_lists("rm -r DIR/partial")),
    "partial-a-file": Fault(cause=_on_lists("rm -r DIR/partial; touch DIR/partial")),
    "partial-of-nobody": Fault(cause=_on_lists("chown nobody DIR/partial; chmod 700 DIR/partial")),
    "lists-no-directory": Fault(cause=_on_lists("rm -r DIR")),
    "junk-in-lists": Fault(
        cause=_on_lists("echo x > DIR/junk_InRelease; echo y > DIR/partial/junk; mkdir DIR/auxfiles")
    ),
    "mirrors-first-refused": Fault(cause=_mirrors("http://127.0.0.2:1/x\nhttp://{host}/tested-b\n"), http=True),
    "mirrors-first-unknown": Fault(cause=_mirrors("http://absent.test/x\nhttp://{host}/tested-b\n"), http=True),
    "mirrors-priority": Fault(
        cause=_mirrors("http://{host}/absent\tpriority:2\nhttp://{host}/tested-b\tpriority:1\n"), http=True
    ),
    "mirrors-empty": Fault(cause=_mirrors(""), http=True),
    "mirrors-comment": Fault(cause=_mirrors("# none\n"), http=True),
    "mirrors-garbage": Fault(cause=_mirrors("<html><body>Sign in</body></html>\n"), http=True),
    "mirrors-gone": Fault(cause=lambda bench: bench.machine.path("/srv/tested.mirrors").unlink(), http=True),
    "signed-twice": Fault(cause=_signed_twice(other_first=False), republishes=True, only_signed=True),
    "signed-twice-other-first": Fault(cause=_signed_twice(other_first=True), republishes=True, only_signed=True),
    "weakly-signed": Fault(cause=_weakly_signed, republishes=True, only_signed=True),
    "text-after-signature": Fault(cause=_republished("InRelease", lambda data: data + b"trailing\n"), republishes=True),
    "text-before-signature": Fault(cause=_republished("InRelease", lambda data: b"leading\n" + data), republishes=True),
    "signature-cut": Fault(
        cause=_republished("InRelease", lambda data: data[:-60]), republishes=True, codes=frozenset(CORRUPT)
    ),
    "no-signature-in-inrelease": Fault(
        cause=_republished("InRelease", lambda data: data.partition(b"\n\n")[2].partition(b"-----BEGIN PGP SIG")[0]),
        republishes=True,
    ),
    "tls": Fault(cause=_over_tls(), http=True),
    "tls-unknown": Fault(cause=_over_tls(known=False), http=True, codes=frozenset(UNREACHABLE)),
    "tls-expired": Fault(cause=_over_tls(expired=True), http=True, codes=frozenset(UNREACHABLE)),
    "tls-other-host": Fault(cause=_over_tls(names="DNS:other.test"), http=True, codes=frozenset(UNREACHABLE)),
    "to-tls": Fault(cause=_over_tls(redirect=True), http=True),
    "to-tls-unknown": Fault(cause=_over_tls(redirect=True, known=False), http=True, codes=frozenset(UNREACHABLE)),
    "to-tls-expired": Fault(cause=_over_tls(redirect=True, expired=True), http=True, codes=frozenset(UNREACHABLE)),
    "hook-talks": configured('APT::Update::Post-Invoke {"echo talking; echo more >&2";};'),
    "hook-success-talks": configured('APT::Update::Post-Invoke-Success {"echo talking >&2; echo more";};'),
    "hook-before-talks": configured('APT::Update::Pre-Invoke {"echo talking >&2; exit 7";};'),
    "hook-killed": configured('APT::Update::Post-Invoke {"kill -9 $$";};'),
    "hook-absent": configured('APT::Update::Post-Invoke-Success {"/usr/bin/absent --x";};'),
    "two-hooks": configured(
        'APT::Update::Post-Invoke {"false"; "exit 3";}; APT::Update::Post-Invoke-Success {"false";};'
    ),
    "hook-and-label": Fault(cause=_hook_and_label, later=True, republishes=True),
    "syntax-error": configured('APT::Foo "bar'),
    "syntax-error-braces": configured("APT::Foo { bar"),
    "unknown-option": configured('APT::No::Such::Option "x"; Acquire::http::Timeout "abc";'),
    "preferences-ignored": written("/etc/apt/preferences.d/bad.txt", "rubbish\n"),
    "preferences-empty": written("/etc/apt/preferences.d/empty", "\n\n"),
    "sources-unknown-ending": written("/etc/apt/sources.list.d/other.txt", "rubbish\n"),
    "sources-hidden": written("/etc/apt/sources.list.d/.other.list", "rubbish\n"),
    "sources-directory": written("/etc/apt/sources.list.d/other.list/x", "rubbish\n"),
    "sources-rubbish": written("/etc/apt/sources.list.d/other.sources", "rubbish\n"),
    "sources-no-uri": written("/etc/apt/sources.list.d/other.sources", "Types: deb\nSuites: x\nComponents: main\n"),
    "sources-bad-type": written(
        "/etc/apt/sources.list.d/other.sources", "Types: rpm\nURIs: http://x.test\nSuites: x\nComponents: main\n"
    ),
    "sources-empty": written("/etc/apt/sources.list.d/other.sources", ""),
    "sources-comment": written("/etc/apt/sources.list.d/other.sources", "# nothing\n"),
    "trusted-rubbish": _key_file("/etc/apt/trusted.gpg.d/bad.gpg", b"rubbish\n"),
    "trusted-rubbish-asc": _key_file("/etc/apt/trusted.gpg.d/bad.asc", b"rubbish\n"),
    "trusted-html": _key_file("/etc/apt/trusted.gpg.d/bad.asc", b"<html>404</html>\n"),
    "trusted-unreadable": _key_file("/etc/apt/trusted.gpg.d/closed.gpg", b"rubbish\n", 0o600),
    "trusted-ignored-ending": _key_file("/etc/apt/trusted.gpg.d/other.key", b"rubbish\n"),
    "trusted-empty": _key_file("/etc/apt/trusted.gpg.d/empty.gpg", b""),
    "key-rubbish": _key_file(KEY, b"rubbish\n"),
    "key-empty": _key_file(KEY, b""),
    "key-html": _key_file(KEY, b"<html>404</html>\n"),
    "legacy-key": Fault(cause=_legacy_key),
    "auth-open": written("/etc/apt/auth.conf.d/open.conf", "machine x.test login a password b\n"),
    "auth-rubbish": written("/etc/apt/auth.conf.d/bad.conf", "rubbish here\n"),
    "tmp-read-only": _of_machine("mount --bind /tmp /tmp && mount -o remount,bind,ro /tmp"),
    "no-tmp": _of_machine("chmod 700 /tmp"),
}
