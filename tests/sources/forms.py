"""Forms of a source: how sources.list(5) can name the repository under test. One line a form.

`{url}` is the repository's URL, `{dist}` its suite, `{key}` the path of its key.
"""

from collections.abc import Mapping
from dataclasses import dataclass

KEY = "/etc/apt/keyrings/test.asc"
BINARY_KEY = "/etc/apt/keyrings/test.gpg"
USER, PASSWORD = "archive-user", "pass-W0rd.42"
LINE = "deb [signed-by={key}] {url} {dist} main\n"


@dataclass(frozen=True, kw_only=True)
class Form:
    """One form of a source."""

    text: str = LINE
    """The source; a deb822 one starts with `Types:`."""
    scheme: str = "http"
    flat: str | None = None
    """The directory of a flat repository below its URL; None for one with suites."""
    dists: tuple[str, ...] = ("{dist}",)
    """The suites that the server has."""
    components: tuple[str, ...] = ("main",)
    places: tuple[str, ...] = ("tested",)
    """The directories of the server that hold the same repository."""
    entries: tuple[tuple[str, ...], ...] = (("tested",),)
    """For each source that apt knows by a name of its own, the patterns that each message about it matches."""
    auth: str = ""
    """A line of auth.conf(5)."""
    login: bool = False
    """Whether the server asks for user and password."""
    config: str = ""
    """Lines of apt.conf(5)."""
    architectures: str = ""
    """Architectures that dpkg is configured for beside its own."""
    third_party_only: bool = False

    @property
    def deb822(self) -> bool:
        """Whether this is the form with fields."""
        return self.text.startswith("Types:")


def deb822(*fields: str, uris: str = "{url}", suites: str = "{dist}", components: str = "main") -> str:
    lines = ["Types: deb", f"URIs: {uris}", f"Suites: {suites}", *([f"Components: {components}"] if components else [])]
    return "\n".join([*lines, *(fields or ("Signed-By: {key}",))]) + "\n"


TWO_SUITES = (("tested", "{dist}"), ("tested", "second"))
_TWO_URIS = (("tested-a",), ("tested-b",))

FORMS: Mapping[str, Form] = {
    "line": Form(),
    "line-slash": Form(text="deb [signed-by={key}] {url}/ {dist} main\n"),
    "line-slashes": Form(text="deb [signed-by={key}] {url}// {dist} main\n"),
    "line-arch": Form(text="deb [arch=amd64 signed-by={key}] {url} {dist} main\n"),
    "line-arches": Form(text="deb [arch=amd64,all signed-by={key}] {url} {dist} main\n"),
    "line-trusted": Form(text="deb [trusted=yes] {url} {dist} main\n"),
    "line-insecure": Form(text="deb [allow-insecure=yes] {url} {dist} main\n"),
    "line-binary-key": Form(text=LINE.replace("{key}", BINARY_KEY)),
    "line-components": Form(text="deb [signed-by={key}] {url} {dist} main contrib\n", components=("main", "contrib")),
    "line-component-too-many": Form(text="deb [signed-by={key}] {url} {dist} main absent\n"),
    "line-two-suites": Form(
        text=LINE + LINE.replace("{dist}", "second"), dists=("{dist}", "second"), entries=TWO_SUITES
    ),
    "line-twice": Form(text=LINE + LINE),
    "line-with-source": Form(text=LINE + LINE.replace("deb ", "deb-src ", 1).replace("{dist}", "{dist}")),
    "line-login": Form(text=LINE.replace("{url}", "{login_url}"), login=True),
    "line-auth-conf": Form(auth="machine http://{host}/ login {user} password {password}\n", login=True),
    "flat": Form(text="deb [signed-by={key}] {url} /\n", flat=""),
    "flat-slash": Form(text="deb [signed-by={key}] {url}/ /\n", flat=""),
    "flat-dot": Form(text="deb [signed-by={key}] {url} ./\n", flat=""),
    "flat-slash-dot": Form(text="deb [signed-by={key}] {url}/ ./\n", flat=""),
    "flat-slashes-dot": Form(text="deb [signed-by={key}] {url}// ./\n", flat=""),
    "flat-sub": Form(text="deb [signed-by={key}] {url} sub/\n", flat="sub/"),
    "flat-dot-sub": Form(text="deb [signed-by={key}] {url} ./sub/deep/\n", flat="sub/deep/"),
    "flat-trusted": Form(text="deb [trusted=yes] {url} ./\n", flat=""),
    "flat-login": Form(text="deb [signed-by={key}] {login_url} ./\n", flat="", login=True),
    "deb822": Form(text=deb822()),
    "deb822-flat": Form(text=deb822(suites="./", components=""), flat=""),
    "deb822-flat-sub": Form(text=deb822(suites="sub/", components=""), flat="sub/"),
    "deb822-slashes": Form(text=deb822(uris="{url}//")),
    "deb822-trusted": Form(text=deb822("Trusted: yes")),
    "deb822-embedded-key": Form(text=deb822("Signed-By:", "{armor}")),
    "deb822-two-suites": Form(text=deb822(suites="{dist} second"), dists=("{dist}", "second"), entries=TWO_SUITES),
    "deb822-two-uris": Form(text=deb822(uris="{url}-a {url}-b"), places=("tested-a", "tested-b"), entries=_TWO_URIS),
    "deb822-components": Form(text=deb822(components="main contrib"), components=("main", "contrib")),
    "deb822-arch": Form(text=deb822("Architectures: amd64", "Signed-By: {key}")),
    "deb822-types": Form(text=deb822().replace("Types: deb", "Types: deb deb-src")),
    "mirror-http": Form(text=LINE.replace("{url}", "mirror+http://{host}/tested.mirrors")),
    "mirror-file": Form(text=LINE.replace("{url}", "mirror+file:/srv/tested.mirrors")),
    "mirror-http-login": Form(
        text=LINE.replace("{url}", "mirror+http://{user}:{password}@{host}/tested.mirrors"), login=True
    ),
    "file": Form(scheme="file"),
    "file-slashes": Form(text=LINE.replace("{url}", "file:///srv/tested"), scheme="file"),
    "file-flat": Form(text="deb [signed-by={key}] {url} ./\n", scheme="file", flat=""),
    "copy": Form(scheme="copy"),
    "copy-flat": Form(text="deb [signed-by={key}] {url}/ /\n", scheme="copy", flat=""),
    "cdrom": Form(text="deb cdrom:[Debian tested]/ {dist} main\n", scheme="cdrom", third_party_only=True),
}
