"""The packages of the fault run: a mean, realistic mix, each with maintainer scripts that check their own sanity.

Every script works a few milliseconds, notes that it ran, and fails when dpkg calls it in a way that a run
without a failing script, however often it is cut off, can never lead to.
"""

from tests.support.repository import Package

SHARE = "/usr/share/faults"
STATE = "/var/lib/faults"
BIG_FILES = 300

_HEAD = """
set -u
me={label} mine={version} script={script}
fail() {{
    echo "$me $mine $script $said: $1" >>{state}/complaints
    echo "$1" >&2
    exit 1
}}
said="$*"
content() {{
    got=none
    [ ! -e "$1" ] || read -r got <"$1"
}}
configured() {{ content {state}/configured/$1; }}
: >{state}/ran/$me.$script.$mine
content /usr/bin/fault-tool
case $got in works-[12]) ;; *) fail "the essential package does not work: $got" ;; esac
content {share}/$me/version
on_disk=$got
sleep 0.003
"""
_BODY = {
    "preinst": """
case "$1" in
install) configured $me && [ $got = none ] || fail "installed before" ;;
upgrade)
    case "${{2-}} $on_disk" in
    "{old} {old}" | "{old} {version}" | "{version} {version}" | "{version} none") ;;
    *) fail "upgraded from what never was, or files of another version: $on_disk" ;;
    esac ;;
*) fail "impossible" ;;
esac
for need in {pre_depends}; do
    configured $need && [ $got = 2 ] || fail "pre-depends on $need, which is not configured"
done
""",
    "postinst": """
case "$1" in
configure)
    case "${{2-}}" in "" | {old} | {version}) ;; *) fail "configured before at what never was" ;; esac
    [ "$on_disk" = $mine ] || fail "files of another version: $on_disk"
    for left in {share}/$me/*.dpkg-new {share}/$me/*.dpkg-tmp; do
        [ ! -e "$left" ] || fail "$left lies about"
    done
    for need in {depends}; do
        configured $need
        case $got in {needs}) ;; *) fail "depends on $need, which is not configured" ;; esac
    done
    {extra}
    echo {version} >{state}/configured/$me.writing && mv {state}/configured/$me.writing {state}/configured/$me ;;
triggered)
    [ -n "{triggered}" ] || fail "nothing here is interested in triggers"
    : >{state}/ran/$me.triggered.$mine
    configured $me && [ $got = $mine ] || fail "triggered while not configured" ;;
*) fail "impossible" ;;
esac
{triggered}
""",
    "prerm": """
case "$1" in
upgrade)
    [ "${{2-}}" = {new} ] || [ "${{2-}}" = {version} ] || fail "upgraded to what never was"
    [ "$on_disk" = $mine ] || fail "files of another version: $on_disk" ;;
deconfigure) [ -n "{deconfigured}" ] || fail "nothing breaks it" ;;
*) fail "impossible" ;;
esac
rm -f {state}/configured/$me
""",
    "postrm": """
case "$1" in
upgrade) [ "$on_disk" = "${{2-}}" ] || fail "files of another version: $on_disk" ;;
*) fail "impossible" ;;
esac
""",
}
_INDEX = f"""
cat {SHARE}/indexed/* >{STATE}/index.writing && mv {STATE}/index.writing {STATE}/index
"""
_ALTERNATIVE = f"update-alternatives --install {SHARE}/chosen fault-chosen {SHARE}/fault-alternative/version 5"


class _Mix:
    """The packages in one of two versions, "1" (installed) or "2" (offered)."""

    def __init__(self, version: str) -> None:
        self._version = version
        self.made: list[Package] = []

    def add(
        self,
        name: str,
        *,
        epoch: str = "",
        files: dict[str, str] | None = None,
        conffiles: dict[str, str] | None = None,
        triggers: tuple[str, ...] = (),
        depends: tuple[str, ...] = (),
        checked: bool = True,
        pre_depends: tuple[str, ...] = (),
        architecture: str = "all",
        words: dict[str, str] | None = None,
        fields: dict[str, str] | None = None,
    ) -> None:
        """Add a package; `words` are substituted in its scripts, `fields` are added to its control file."""
        new = self._version == "2"
        version = epoch + self._version
        control = {**(fields or {})}
        if depends:
            control["Depends"] = ", ".join(f"{need} (>= {self._version})" for need in depends)
        if pre_depends and new:
            control["Pre-Depends"] = ", ".join(f"{need} (>= 2)" for need in pre_depends)
        known = {
            "label": name,
            "version": version,
            "old": f"{epoch}1",
            "new": f"{epoch}2",
            "share": SHARE,
            "state": STATE,
            "depends": " ".join(depends if checked else ()),
            "pre_depends": " ".join(pre_depends if new else ()),
            "needs": "2" if new else "1 | 2",
            "extra": ":",
            "triggered": "",
            "deconfigured": "",
            **(words or {}),
        }
        label = known["label"]
        scripts = {script: (_HEAD + body).format(script=script, **known) for script, body in _BODY.items()}
        content = {f"{SHARE}/{label}/version": f"{version}\n", **(files or {}), **(conffiles or {})}
        self.made.append(
            Package(
                name=name,
                version=version,
                architecture=architecture,
                fields=tuple(control.items()),
                scripts=tuple(scripts.items()),
                files=tuple(content.items()),
                conffiles=tuple(conffiles or {}),
                triggers=triggers,
            )
        )


def mix(version: str) -> list[Package]:
    """Return all packages in version "1" or "2"; those that others need configured come first."""
    made = _Mix(version)
    made.add("fault-essential", files={"/usr/bin/fault-tool": f"works-{version}\n"}, fields={"Essential": "yes"})
    made.add("fault-base")
    for number in range(3):
        made.add(f"fault-pre-{number}", pre_depends=("fault-base",))
    for number in range(8):
        made.add(f"fault-chain-{number}", depends=(f"fault-chain-{number - 1}" if number else "fault-base",))
    for number in range(2):  # each needs the other; dpkg has to start with one
        made.add(f"fault-cycle-{number}", depends=(f"fault-cycle-{1 - number}",), checked=False)
    _add_triggers(made, version)
    _add_conffiles(made, version)
    _add_relations(made, version)
    for number in range(2):
        shown = range(20, BIG_FILES + 20) if version == "2" else range(BIG_FILES)
        lines = {f"{SHARE}/fault-big-{number}/{file:03}": f"{file} {version}\n" * 50 for file in shown}
        made.add(f"fault-big-{number}", files=lines)
    made.add("fault-alternative", words={"extra": f"{_ALTERNATIVE}{version}"})
    made.add("fault-epoch", epoch="1:")
    for number in range(6):
        made.add(f"fault-plain-{number}")
    for number in range(4):
        made.add(f"fault-gone-{number}")
    return made.made


def still_offered(name: str) -> bool:
    """Whether the archive still offers version 1; if not, only version 2 can repair the package."""
    gone = ("fault-gone", "fault-base", "fault-big-0", "fault-same", "fault-trigger", "fault-from", "fault-conf-1")
    return not name.startswith(gone)


def _add_relations(made: _Mix, version: str) -> None:
    """Add a file that moves to another package, a new dependency, and a package of two architectures."""
    new = version == "2"
    moved = {f"{SHARE}/moved": f"moved {version}\n"}
    made.add("fault-from", files={} if new else moved, words={"deconfigured": "yes"})
    taking = {"Replaces": "fault-from (<< 2)", "Breaks": "fault-from (<< 2)"} if new else {}
    made.add("fault-to", files=moved if new else {}, fields=taking)
    if new:
        made.add("fault-new")
    made.add("fault-needs", depends=("fault-new",) if new else ())
    for architecture in ("amd64", "i386"):
        shared = {f"{SHARE}/shared": f"shared by both, {version}\n"}
        words = {"label": f"fault-same-{architecture}", "deconfigured": "yes"}
        same = {"Multi-Arch": "same"}
        made.add("fault-same", architecture=architecture, files=shared, words=words, fields=same)


def _add_triggers(made: _Mix, version: str) -> None:
    interest = (f"interest-await {SHARE}/indexed", "interest-noawait fault-named")
    made.add("fault-trigger", triggers=interest, words={"triggered": _INDEX})
    for number in range(3):
        made.add(f"fault-await-{number}", files={f"{SHARE}/indexed/await-{number}": f"await {version}\n"})
    for number in range(3):
        how = "activate-noawait" if number else "activate-await"
        made.add(f"fault-named-{number}", triggers=(f"{how} fault-named",))


def _add_conffiles(made: _Mix, version: str) -> None:
    """Add a package with unmodified conffiles, one with edited ones, one with some deleted."""
    for number in range(3):
        name = f"fault-conf-{number}"
        changing = {f"/etc/{name}/changing-{file}.conf": f"{file} of {name} {version}\n" for file in range(4)}
        made.add(name, conffiles={**changing, f"/etc/{name}/same.conf": "the same in both\n"})


def renewed_conffiles() -> dict[str, tuple[str, str]]:
    """Return the text of each conffile that differs between the versions, old and new."""
    texts = [
        {name: str(text) for one in mix(version) for name, text in one.files if name in one.conffiles}
        for version in ("1", "2")
    ]
    return {name: (old, texts[1][name]) for name, old in texts[0].items() if old != texts[1][name]}


def edit_conffiles() -> str:
    """Return shell commands that edit and delete conffiles as an administrator would."""
    return """
    echo mine >>/etc/fault-conf-1/changing-0.conf
    echo mine >>/etc/fault-conf-1/changing-1.conf
    echo mine >>/etc/fault-conf-1/same.conf
    rm /etc/fault-conf-2/changing-0.conf
    """
