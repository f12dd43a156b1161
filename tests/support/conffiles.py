"""What can be the matter with a configuration file at an upgrade: a table, with what dpkg and the peer make of it."""

from dataclasses import dataclass, replace
from typing import Any

from tests.support.repository import Package, package

RESTORES = "printf 'one\\n' > /etc/restored.conf"
SPOILS = "printf 'spoilt\\n' > /etc/spoilt.conf"
MOVES = 'dpkg-maintscript-helper mv_conffile /etc/moved-old.conf /etc/moved-new.conf 2~ moved -- "$@"'


@dataclass(frozen=True, kw_only=True)
class Case:
    """One package (of that name) and its file. Version 1 says "one", version 2 "two", the administrator "mine"."""

    name: str
    first: tuple[Package, ...]
    """Installed one after the other, as if they had always been there."""
    second: tuple[Package, ...]
    """What the repository offers then."""
    file: str
    local: str = ""
    """What the administrator did in between: shell, where $F is the file."""
    asks: tuple[str, ...] = ()
    """Files that dpkg asks about."""
    after: str | None = "two\n"
    """What the file holds after an upgrade that keeps local files; None where it is no file."""
    kept: tuple[str, ...] | None = None
    """Files that such an upgrade lists as kept; None for those that dpkg asks about."""
    holds: bool | None = None
    """Whether such packages are held where the policy says so; None for "where dpkg asks"."""
    peer: bool | None = None
    """Whether the peer holds it; None for "where dpkg asks"."""

    @property
    def held(self) -> bool:
        return bool(self.asks) if self.holds is None else self.holds

    @property
    def listed(self) -> tuple[str, ...]:
        return self.asks if self.kept is None else self.kept


def conf(name: str, version: str, text: str | None, *, file: str = "", **fields: str) -> Package:
    """Return a package with one configuration file (None for a package without)."""
    file = file or f"/etc/{name}.conf"
    made = package(name, version, **fields)
    return made if text is None else replace(made, files=((file, text),), conffiles=(file,))


def simple(name: str, local: str = "", *, new: str | None = "two\n", old: str | None = "one\n", **case: Any) -> Case:
    """Return the case of a package whose one file goes from `old` to `new`; `asks=True` names that file."""
    file = str(case.pop("file", "")) or f"/etc/{name}.conf"
    if case.get("asks") is True:
        case["asks"] = (file,)
        case.setdefault("after", "mine\n")
    first, second = conf(name, "1", old, file=file), conf(name, "2", new, file=file)
    fields: dict[str, Any] = {"first": (first,), "second": (second,), **case}
    return Case(name=name, file=file, local=local, **fields)


def taken_over(name: str, local: str, *, new: str = "two\n", **case: Any) -> Case:
    """Return the case of a file that went from NAME-from to NAME, which replaces it."""
    rest = (f"/usr/share/{name}-from", "x\n")  # or the package would be gone with the last of its files
    before = conf(f"{name}-from", "1", "one\n", file=f"/etc/{name}.conf")
    first = (replace(before, files=(*before.files, rest)), package(name, "1"))
    takes = {"replaces": f"{name}-from (<< 2)", "breaks": f"{name}-from (<< 2)"}
    second = (replace(package(f"{name}-from", "2"), files=(rest,)), conf(name, "2", new, **takes))
    return simple(name, local, first=first, second=second, **case)


def again(name: str, local: str, middle: Package, *, new: str = "two\n", **case: Any) -> Case:
    """Return the case of a file that one version (`middle`) does not bring as its own."""
    return simple(name, local, new=new, first=(conf(name, "0", "one\n"), middle), **case)


def needed(name: str, local: str, *, first: tuple[Package, ...] = (), **case: Any) -> Case:
    """Return the case of a package that is not installed, and comes along because NAME-app needs it now."""
    app = package(f"{name}-app", "1")
    second = (package(f"{name}-app", "2", depends=name), conf(name, "2", "two\n"))
    return simple(name, local, first=(app, *first), second=second, **case)


CASES = (
    # the file as it was installed
    simple("unmodified"),
    simple("same-upstream", new="one\n", after="one\n"),
    simple("new-file", old=None),
    simple("dropped-upstream", new=None, after="one\n"),
    # changed by the administrator
    simple("modified-same", "echo mine > $F", new="one\n", after="mine\n"),
    simple("modified", "echo mine > $F", asks=True),
    simple("equals-new", "echo two > $F", peer=True),
    simple("dropped-modified", "echo mine > $F", new=None, after="mine\n"),
    # deleted
    simple("deleted-same", "rm $F", new="one\n", after=None),
    simple("deleted", "rm $F", asks=True, after=None),
    # there before the package
    simple("foreign-same", "echo two > $F", old=None),
    simple("foreign", "echo mine > $F", old=None, asks=True),
    simple(
        "plain-before",
        first=(replace(conf("plain-before", "1", "one\n"), conffiles=()),),
        asks=True,
        after="one\n",
    ),
    simple(
        "plain-before-same",
        first=(replace(conf("plain-before-same", "1", "two\n"), conffiles=()),),
    ),
    simple("plain-now", second=(replace(conf("plain-now", "2", "two\n"), conffiles=()),)),
    # obsolete in between
    again("returned", "", package("returned", "1"), peer=True),
    again("returned-modified", "echo mine > $F", package("returned-modified", "1"), asks=True),
    again(
        "returned-same",
        "echo mine > $F",
        package("returned-same", "1"),
        new="one\n",
        after="mine\n",
        peer=True,
    ),
    again(
        "removed-and-back",
        "",
        replace(package("removed-and-back", "1"), conffiles=("remove-on-upgrade /etc/removed-and-back.conf",)),
        peer=True,
    ),
    again(
        "removed-and-foreign",
        "echo mine > $F",
        replace(package("removed-and-foreign", "1"), conffiles=("remove-on-upgrade /etc/removed-and-foreign.conf",)),
        asks=True,
    ),
    # taken over from another package
    taken_over("taken", "", peer=True),
    taken_over("taken-modified", "echo mine > $F", asks=True),
    taken_over("taken-same", "echo mine > $F", new="one\n", after="mine\n", peer=True),
    # not installed before
    needed("added", "echo mine > $F", asks=True),
    needed("added-same", "echo two > $F"),
    needed("removed", "dpkg -r removed; echo mine > $F", first=(conf("removed", "1", "one\n"),), asks=True),
    needed("removed-same", "dpkg -r removed-same", first=(conf("removed-same", "1", "one\n"),)),
    needed(
        "heir",
        "dpkg -r heir-of; echo mine > $F",
        first=(conf("heir-of", "1", "one\n", file="/etc/heir.conf"),),
        asks=True,
    ),
    needed(
        "heir-same",
        "dpkg -r heir-same-of",
        first=(conf("heir-same-of", "1", "one\n", file="/etc/heir-same.conf"),),
        peer=True,
    ),
    # a link, a directory, a pipe in its place: dpkg compares nothing
    simple("link", "mv $F /srv/link; ln -s /srv/link $F", after="one\n", kept=("/etc/link.conf",)),
    simple(
        "link-modified",
        "echo mine > /srv/l; ln -sf /srv/l $F",
        after="mine\n",
        kept=("/etc/link-modified.conf",),
        peer=True,
    ),
    simple("link-equals-new", "echo two > /srv/m; ln -sf /srv/m $F", kept=(), peer=True),
    simple(
        "link-relative",
        "echo mine > /etc/l2; ln -sf l2 $F",
        after="mine\n",
        kept=("/etc/link-relative.conf",),
        peer=True,
    ),
    simple("link-dangling", "ln -sf /nowhere/at/all $F", after=None, kept=("/etc/link-dangling.conf",), peer=True),
    simple("link-loop", "rm $F; ln -s $F $F", after=None, kept=("/etc/link-loop.conf",)),
    simple("directory", "rm $F; mkdir $F; echo mine > $F/x", after=None, kept=("/etc/directory.conf",), peer=True),
    simple("pipe", "rm $F; mkfifo $F", after=None, kept=("/etc/pipe.conf",)),
    simple(
        "directory-before",
        first=(replace(package("directory-before", "1"), files=(("/etc/directory-before.conf/x", "one\n"),)),),
        after=None,
        kept=("/etc/directory-before.conf",),
        peer=True,
    ),
    # its directory
    simple(
        "linked-parent",
        "mv /etc/linked-parent /srv; ln -s /srv/linked-parent /etc/linked-parent; echo mine > $F",
        file="/etc/linked-parent/a.conf",
        asks=True,
    ),
    simple("lost-parent", "rm -r /etc/lost-parent", file="/etc/lost-parent/a.conf", asks=True, after=None),
    simple(
        "file-as-parent",
        "rm -r /etc/file-as-parent; echo mine > /etc/file-as-parent",
        file="/etc/file-as-parent/a.conf",
        asks=True,
        after=None,
    ),
    # names
    simple("blank", "echo mine > $F", file="/etc/with two  blanks.conf", asks=True),
    simple("blank-unmodified", file="/etc/with blank.conf", peer=True),
    simple("flag-in-name", "echo mine > $F", file="/etc/it is obsolete", asks=True),
    simple("latin", "echo mine > $F", file="/etc/l\udce4t.conf", asks=True),
    # diverted
    simple("diverted", "dpkg-divert --local --rename --add $F; echo mine > $F", after="mine\n", peer=True),
    simple(
        "diverted-modified",
        "dpkg-divert --local --rename --add $F; echo mine > $F.distrib",
        asks=("/etc/diverted-modified.conf.distrib",),
        after=None,
    ),
    simple("diverted-for-itself", "dpkg-divert --package diverted-for-itself --add $F; echo mine > $F", asks=True),
    # to be removed
    simple(
        "to-remove",
        second=(replace(package("to-remove", "2"), conffiles=("remove-on-upgrade /etc/to-remove.conf",)),),
        after=None,
    ),
    simple(
        "to-remove-modified",
        "echo mine > $F",
        second=(
            replace(package("to-remove-modified", "2"), conffiles=("remove-on-upgrade /etc/to-remove-modified.conf",)),
        ),
        after=None,  # dpkg moves it to .dpkg-old
    ),
    # in the archive
    simple("excluded", "echo mine > $F", after="mine\n", peer=True),
    simple(
        "hard-link",
        "echo mine > $F",
        second=(
            replace(
                conf("hard-link", "2", "two\n", file="/etc/hard-link.d/a"),
                hard_links=(("/etc/hard-link.conf", "/etc/hard-link.d/a"),),
                conffiles=("/etc/hard-link.conf",),
            ),
        ),
        asks=True,
    ),
    simple(
        "hard-link-equal",
        "echo two > $F",
        second=(
            replace(
                conf("hard-link-equal", "2", "two\n", file="/etc/hard-link-equal.d/a"),
                hard_links=(("/etc/hard-link-equal.conf", "/etc/hard-link-equal.d/a"),),
                conffiles=("/etc/hard-link-equal.conf",),
            ),
        ),
        peer=True,
    ),
    simple(
        "several",
        "echo mine > $F; echo mine > /etc/several.d/c",
        first=(
            replace(
                package("several", "1"),
                files=tuple((f"/etc/several.{one}", "one\n") for one in ("conf", "d/b", "d/c")),
                conffiles=("/etc/several.conf", "/etc/several.d/b", "/etc/several.d/c"),
            ),
        ),
        second=(
            replace(
                package("several", "2"),
                files=tuple((f"/etc/several.{one}", "two\n") for one in ("conf", "d/b", "d/c")),
                conffiles=("/etc/several.conf", "/etc/several.d/b", "/etc/several.d/c"),
            ),
        ),
        asks=("/etc/several.conf", "/etc/several.d/c"),
        after="mine\n",
    ),
    # scripts that have their own way with the file: they run before dpkg looks, and nobody foresees what they do
    simple(
        "restored",
        "echo mine > $F",
        second=(replace(conf("restored", "2", "two\n"), scripts=(("preinst", RESTORES),)),),
        holds=True,
        peer=True,
    ),
    simple(
        "spoilt",
        second=(replace(conf("spoilt", "2", "two\n"), scripts=(("preinst", SPOILS),)),),
        asks=("/etc/spoilt.conf",),
        after="spoilt\n",
        holds=False,
        peer=False,
    ),
    simple(
        "moved",
        "echo mine > /etc/moved-old.conf",
        first=(conf("moved", "1", "one\n", file="/etc/moved-old.conf"),),
        second=(
            replace(
                conf("moved", "2", "two\n", file="/etc/moved-new.conf"),
                scripts=tuple((script, MOVES) for script in ("preinst", "postinst", "postrm")),
            ),
        ),
        file="/etc/moved-new.conf",
        after="mine\n",
        kept=("/etc/moved-new.conf",),
    ),
)
