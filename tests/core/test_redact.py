"""No credential stays in a text, wherever it stands; everything else does."""

import subprocess
import sys
from pathlib import Path

import pytest

from agent.core.redact import redact, redact_document

CHECKOUT = Path(__file__).resolve().parents[2]
SECRETS = ("hunter2", "geheim")

WITH_A_SECRET = (
    ("http://alice:hunter2@host/debian", "http://host/debian"),
    ("https://alice:hunter2@host:8443/x", "https://host:8443/x"),
    ("mirror+http://alice:hunter2@host/list", "mirror+http://host/list"),
    ("mirror+https://alice:hunter2@host/list", "mirror+https://host/list"),
    ("tor+https://alice:hunter2@host/x", "tor+https://host/x"),
    ("tor+mirror+http://alice:hunter2@host/x", "tor+mirror+http://host/x"),
    ("ftp://alice:hunter2@host", "ftp://host"),
    ("socks5h://alice:hunter2@host:1080", "socks5h://host:1080"),
    ("HTTP://alice:hunter2@HOST/", "HTTP://HOST/"),
    ("http://alice@host/", "http://host/"),
    ("http://alice:@host/", "http://host/"),
    ("http://:hunter2@host/", "http://host/"),
    ("http://alice:hunter2@[2001:db8::1]:80/x", "http://[2001:db8::1]:80/x"),
    ("http://al%69ce:hunter2%40%2F@host/", "http://host/"),
    ("http://alice:hunter2@geheim@host/x", "http://host/x"),
    ("http://alice:hunter2/geheim@host/x", "http://...@host/x"),
    ("http://alice:hunter2@/geheim@host/x", "http://...@host/x"),
    ("http://alice:hunter2?geheim@host/x", "http://...@host/x"),
    ("http://alice:hunter2#geheim@host/x", "http://...@host/x"),
    ("http://alice:12/geheim@host/x", "http://...@host/x"),
    ("http://alice:hunter2'geheim@host/x", "http://host/x"),
    ("//alice:hunter2@host/x", "//host/x"),
    ("alice:/hunter2@host:3128", "alice:/...@host:3128"),
    ("http:/:?#hunter2@host/x", "http:/...@host/x"),
    (r"http:\/\/alice:hunter2@host\/x", r"http:\/\/host\/x"),
    ("alice:hunter2@host:3128", "...@host:3128"),
    ("proxy 'alice:hunter2@host:3128' refused", "proxy '...@host:3128' refused"),
    ("http%3A%2F%2Falice%3Ahunter2%40host", "http%3A%2F%2Fhost"),
    ("http://a/x,http://alice:hunter2@b/y", "http://a/x,http://b/y"),
    ("deb [arch=amd64] http://alice:hunter2@host/ x main", "deb [arch=amd64] http://host/ x main"),
    ("Failed to fetch http://alice:hunter2@host/x  401", "Failed to fetch http://host/x  401"),
    ("(http://alice:hunter2@host/x)", "(http://host/x)"),
    ("<http://alice:hunter2@host/x>", "<http://host/x>"),
    ('Acquire::http::Proxy "http://alice:hunter2@proxy:3128";', 'Acquire::http::Proxy "http://proxy:3128";'),
    ("https://host/x?token=hunter2", "https://host/x?..."),
    ("https://host/x?hunter2", "https://host/x?..."),
    ("https://host/x?a=b&sig=hunter2 401", "https://host/x?... 401"),
    ("https://host/x#access_token=hunter2", "https://host/x#..."),
    ("url: /v1/batch?token=hunter2&x=geheim (Caused by", "url: /v1/batch?token=...&x=... (Caused by"),
    ("Authorization: Basic YWxpY2U6aHVudGVyMg==", "Authorization: ..."),
    ("authorization: bearer hunter2", "authorization: ..."),
    ("Proxy-Authorization: Digest username=alice, response=hunter2", "Proxy-Authorization: ..."),
    ("{'Authorization': 'Bearer hunter2', 'Accept': 'x'}", "{'Authorization': ..., 'Accept': 'x'}"),
    ("{'Authorization': b'Bearer hunter2', 'Accept': 'x'}", "{'Authorization': ..., 'Accept': 'x'}"),
    ('{"Proxy-Authorization": "Basic hunter2"}', '{"Proxy-Authorization": ...}'),
    ("Authorization=hunter2", "Authorization=..."),
    ("X-Api-Key: hunter2", "X-Api-Key: ..."),
    ("x-auth-token: hunter2", "x-auth-token: ..."),
    ("Cookie: session=hunter2; a=geheim", "Cookie: ..."),
    ("Set-Cookie: session=hunter2", "Set-Cookie: ..."),
    ("refused Bearer hunter2", "refused Bearer ..."),
    ("refused Basic aHVudGVyMg==", "refused Basic ..."),
    ("machine host login alice password hunter2", "machine host login ... password ..."),
    ("password=hunter2", "password=..."),
    ("password: 'hunter2'", "password: '...'"),
    ('auth_token = "hunter2"', 'auth_token = "..."'),
    (
        "-----BEGIN RSA PRIVATE KEY-----\nhunter2\n-----END RSA PRIVATE KEY-----\nx",
        "-----BEGIN RSA PRIVATE KEY-----...\nx",
    ),
    ("token=1.hunter2", "token=..."),
    ("token=1.2hunter2", "token=..."),
    ("token=12:9hunter2", "token=..."),
    ("password:i386hunter2", "password:..."),
    ("passwd=amd64-hunter2", "passwd=..."),
    ("-----BEGIN PRIVATE KEY-----\nhunter2", "-----BEGIN PRIVATE KEY-----..."),
    ("http://alice%3Ahunter2%40host/x", "http://host/x"),
    ("http%253A%252F%252Falice%253Ahunter2%2540host", "http%253A%252F%252Fhost"),
    ("https://...@alice:hunter2@host/", "https://host/"),
    ("http://...:hunter2@host/", "http://host/"),
    ("http://a/x,http://al/ice:hunter2@host/x", "http://...@host/x"),
    ("http://alice/b/hunter2@host:80/x", "http://...@host:80/x"),
    ("machine host/path password hunter2", "machine host/path password ..."),
    ('machine host login alice password "hunter2 geheim"', "machine host login ... password ..."),
    ("machine host account x password hunter2", "machine host account x password ..."),
    ("{'password': 'x\\'hunter2'}", "{'password': '...'}"),
    ('"password": "a b hunter2", "x": 1', '"password": "...", "x": 1'),
    ('password="a,hunter2;geheim"', 'password="..."'),
    ("password=a,hunter2;geheim", "password=..."),
    ("password='hunter2 geheim", "password='..."),
    ("password=/hunter2", "password=..."),
    ("password=1:4hunter2", "password=..."),
    ("password=...hunter2", "password=..."),
    ("passwd=hunter2", "passwd=..."),
    ("db_passwd: hunter2", "db_passwd: ..."),
    ('"passwd": "hunter2"', '"passwd": "..."'),
    ("The generated password is hunter2", "The generated password is ..."),
    ("Your admin password is: hunter2", "Your admin password is: ..."),
    ("AWS_SECRET_ACCESS_KEY=hunter2 x", "AWS_SECRET_ACCESS_KEY=... x"),
    ("API key: hunter2", "API key: ..."),
    ("credential=hunter2", "credential=..."),
    ("curl -u alice:hunter2 https://host/", "curl -u alice:... https://host/"),
    ("curl --proxy-user 'alice:hunter2' x", "curl --proxy-user 'alice:...' x"),
    ("wget --http-password hunter2 x", "wget --http-password ... x"),
    ("x --token hunter2", "x --token ..."),
    ("pro attach C1hunter2hunter2geheim", "pro attach ..."),
    ("refused bearer hunter2x9", "refused bearer ..."),
    ("remote: ghp_hunter2hunter2hunter2 refused", "remote: ... refused"),
    ("eyJhbGciOiJIUzI1NiJ9.geheim.hunter2", "..."),
    ("https://host/x#hunter2", "https://host/x#..."),
    ("https://host/x?id=12&sig=hunter2", "https://host/x?..."),
    ("Cookie=hunter2", "Cookie=..."),
    ("{'Cookie': 'session=hunter2'}", "{'Cookie': ...}"),
    ("url: /v1/batch?token=hunter2;x=geheim (Caused by", "url: /v1/batch?token=... (Caused by"),
    (
        "-----BEGIN PGP PRIVATE KEY BLOCK-----\nhunter2\n-----END PGP PRIVATE KEY BLOCK-----",
        "-----BEGIN PGP PRIVATE KEY BLOCK-----...",
    ),
)
WITHOUT_ONE = (
    "",
    "http://mirror.example.org/debian trixie InRelease",
    "Could not connect to 127.0.0.1:8443 (127.0.0.1). - connect (111: Connection refused)",
    "cdrom:[Debian GNU/Linux 13.0 _Trixie_]/ trixie main",
    "file:/srv/repo ./ Release",
    "file:/srv/repo@1 ./ Release",
    "mirror+file:/srv/repo@1 ./ Release",
    "file:///srv/repo@1 ./ Release",
    "Basic authentication failed",
    "systemctl stop 'maestro-agent-worker@*.service'",
    "maestro-agent-worker@12-34.service",
    "lib:i386 and lib:amd64",
    "mail root@localhost",
    "2026-11-28T19:46:34Z",
    "/etc/maestro-agent/config.toml: endpoint.token_file = '/etc/token': cannot be read",
    "token_file: /etc/maestro-agent/token",
    "why? because",
    'accepted: a time of day from "00:00" to "23:59" in quotes',
    "security.origins = 'origin=Debian,codename=bookworm-security'",
    "1:2.3-4+deb13u1~bpo",
    "the private key cannot be read",
    "/etc/ssl/private/key.pem",
    "passwd: dependency problems - leaving unconfigured",
    "passwd:amd64 (= 1:4.8.1)",
    "base-passwd=3.6.1",
    "passwd=1:4.13+dfsg1-1",
    "Errors were encountered while processing:\n base-passwd\n passwd",
    "libsecret-1-0: held",
    "token: expired",
    "Invalid token: unexpected end",
    "password: incorrect",
    "secret: not found",
    "the password is required",
    "expected token: ')' but got ']'",
    "max_tokens=5",
    "Authorization: required",
    "mailto:joe@example.org",
    "-- Joe <joe@debian.org>  Sat, 28 Nov 2026 19:46:00 +0000",
    "git@github.com:org/repo.git",
    "https://lore.kernel.org/r/20260101.GA1@kernel.org",
    "https://registry.example.org/npm/@types/node",
    "http://host/pool/a_1.0@x.deb",
    "ghcr.io/org/image:1.0@sha256:abcdef",
    "https://bugs.debian.org/cgi-bin/bugreport.cgi?bug=123456",
    "https://bugzilla.example.org/show_bug.cgi?id=65544",
    "https://www.openssl.org/news/vulnerabilities.html#CVE-2022-4450",
    "https://datatracker.ietf.org/doc/html/rfc2578#section-3.5",
    "https://github.com/curl/curl/pull/9290#issuecomment-1214569167, too",
    "A token is valid for any host; the token is a word",
    "gpg: Fix output of --with-secret if a pattern is given.",
    "- cookie: open cookie jar as a binary file",
    "Added a CGI::Cookie::parse() method",
    "Add Forced Basic Authentication",
    "apt-get install a=1;b=2",
    "http://host/pool/main/a/a_1%3a2.0_amd64.deb",
    "[2001:db8::1]:80 and fe80::1%eth0",
)  # fmt: skip


PACKAGES = (
    "apg", "base-passwd", "golang-golang-x-oauth2-dev", "libjs-jquery-cookie", "libpam-passwdqc", "libsecret-1-0",
    "node-cookie", "pass", "passwd", "password-store", "php-tokenizer", "python3-secretstorage", "python3-token",
    "secret", "secret-sharing", "token", "token-passphrase", "x-auth-token", "python3-api-key",
)  # fmt: skip
VERSIONS = (
    "0.20", "1.7", "1.7.4-5", "1:4.13", "1:4.8.1-2ubuntu2.1", "1:4.13+dfsg1-1ubuntu1.1~esm1", "3.5.52build1", "12-4",
    "0.20.5-2+b1", "3.5.28+deb11u1", "2.99~rc1-1~bpo12+1", "0.0~git20190604.0f29369-2", "1:4.13+dfsg1-4+deb13u1+b1",
)  # fmt: skip


@pytest.mark.parametrize("architecture", ["", ":i386", ":amd64", ":arm64", ":all", ":riscv64"])
@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_whose_name_could_be_a_secrets_keeps_its_version(package: str, architecture: str) -> None:
    for version in VERSIONS:
        name = f"{package}{architecture}"
        for text in (
            f"`apt-get install --allow-downgrades {name}={version} other=1.2`",
            f"{name}={version}",
            f"{name} 1 -> {version}, other 2",
            f"{name} (held-by-admin), other {version}",
            f"FAILED {name} (configure): exit status 1",
            f"dpkg: error processing package {name} (--configure): {version}",
        ):
            assert redact(text) == text


@pytest.mark.parametrize(
    "token",
    [
        "550e8400-e29b-41d4-a716-446655440000",
        "12345678-1234-4123-8123-123456789012",
        "110201543:99HdqTcvCH1vGWJxfSeofSAs0K5PALDsaw",
        "0123456789abcdef0123456789abcdef",
        "1234",
        "12345678",
        "1/hunter2",
        "4.hunter2",
    ],
)
@pytest.mark.parametrize("key", ["token=", "password: ", "x-api-key: ", "auth_token='"])
def test_a_token_of_digits_is_no_version(key: str, token: str) -> None:
    assert token not in redact(f"{key}{token}")


@pytest.mark.parametrize(("text", "shown"), WITH_A_SECRET)
def test_credentials_are_removed(text: str, shown: str) -> None:
    assert redact(text) == shown
    assert [secret for secret in SECRETS if secret in redact(text)] == []


@pytest.mark.parametrize("text", [shown for _, shown in WITH_A_SECRET] + list(WITHOUT_ONE))
def test_a_text_without_credentials_stays_as_it_is(text: str) -> None:
    assert redact(text) == text


def known(secret: str, text: str) -> str:
    """Return what a process that knows the secret makes of the text."""
    program = (
        f"import sys; sys.path.insert(0, {str(CHECKOUT)!r}); from agent.core.redact import *; "
        f"remember_secrets([{secret!r}]); sys.stdout.write(redact({text!r}))"
    )
    return subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize(
    ("secret", "text", "shown"),
    [
        ("s3cr3t-t0ken", "refused: s3cr3t-t0ken", "refused: ..."),
        ("s3cr3t-t0ken", "xs3cr3t-t0kenx", "x...x"),
        ("p w/x", "http://alice:p w/x@host/", "http://host/"),
        ("p w/x", "p%20w%2Fx", "..."),
        ("p w/x", "p%20w/x", "..."),
        ("p?w/x", "p%3fw%2fx", "..."),
        ('a"b<c>d&e', 'a\\"b<c>d&e', "..."),
        ('a"b<c>d&e', "a&quot;b&lt;c&gt;d&amp;e", "..."),
        ("p4ss", "p4ss and p4ssed", "... and p4ssed"),
        ("ubuntu", "http://host/ubuntu", "http://host/ubuntu"),
        ("abc", "abc", "abc"),
        ("a'b\\c\nd", repr("a'b\\c\nd"), '"..."'),
    ],
)
def test_known_secrets_are_removed_wherever_they_stand(secret: str, text: str, shown: str) -> None:
    assert known(secret, text) == shown


def test_a_package_that_is_called_as_a_password_keeps_its_name_in_documents() -> None:
    program = (
        f"import sys; sys.path.insert(0, {str(CHECKOUT)!r}); from agent.core.redact import *; "
        "remember_secrets(['python3', 'lib3:amd64', '1:2.3-4', 'Tok3nOfEndpoint', 'deadbeefdeadbeef']); "
        "document = {'package': 'python3', 'names': ['lib3:amd64'], 'version': '1:2.3-4'}; "
        "assert redact_document(document) == document; "
        "assert redact_document(['Tok3nOfEndpoint', 'deadbeefdeadbeef', 'has python3']) == ['...', '...', 'has ...']"
    )
    subprocess.run([sys.executable, "-I", "-c", program], check=True)


def test_documents_keep_their_codes_names_and_versions() -> None:
    document = {"why": "held-by-admin", "at": "1:2.3-4", "n": 1, "x": None, "detail": ["http://alice:hunter2@host/"]}

    assert redact_document(document) == {**document, "detail": ["http://host/"]}


@pytest.mark.parametrize(
    "part",
    [
        *(
            "a",
            "://",
            "a:b@",
            "//=",
            "login ",
            "x-",
            "a.token",
            "%3a%2f%2f",
            "/",
            "?a=",
            "Basic ",
            "=a:b@@",
            "=a:b=",
            "=a:b",
            "=a:b@",
            "'a",
        ),
        *(
            "\\/",
            "\\/\\/a?",
            "=//:",
            "=//a",
            "//a@",
            "http:/a",
            "eyJ-",
            "eyJabcdefgh.",
            "x-auth-",
            "token='",
            'token="\\',
        ),
        *("-u a", "--a-token ", "%25", "passwd=", "machine ", "-----BEGIN PRIVATE KEY-----", "password is ", "cookie:"),
    ],
)
@pytest.mark.parametrize("end", ["", " @ 40 3a% =?# -- authorization user attach eyj glpat is passwd private key"])
def test_no_text_takes_more_time_than_its_length_warrants(part: str, end: str) -> None:
    """Repeated: a pattern that is tried again from each position would take minutes. The end turns the rules on."""
    assert redact(part * 15_000 + end) is not None
