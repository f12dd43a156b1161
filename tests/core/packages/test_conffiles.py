"""dpkg's rule for one conffile: its recorded, local and new version."""

import pytest

from agent.core.packages.conffiles import (
    Conffile,
    ConffilePrompt,
    DpkgOptions,
    NoPlainFile,
    PromptReason,
    describe_prompts,
    prompt_reason,
    read_options,
)

EMPTY, NOT_A_FILE = NoPlainFile.EMPTY, NoPlainFile.NOT_A_FILE


def prompted(
    recorded: str | tuple[str, ...] | None, local: str | NoPlainFile, packaged: str | None, *forced: str
) -> str | None:
    """Return the name of the reason of dpkg's prompt."""
    sums = (recorded,) if isinstance(recorded, str) else recorded or ()
    conffile = Conffile(recorded=sums, local=local, packaged=packaged)
    found = prompt_reason(conffile, DpkgOptions(forced=frozenset(forced)))
    return found.name if found is not None else None


@pytest.mark.parametrize(
    ("recorded", "local", "packaged", "expected"),
    [
        ("one", "one", "one", None),
        ("one", "one", "two", None),
        ("one", "mine", "one", None),
        ("one", "mine", "two", "MODIFIED"),
        ("one", "two", "two", None),
        ("one", EMPTY, "one", None),
        ("one", EMPTY, "two", "DELETED"),
        (None, EMPTY, "two", None),
        (None, "two", "two", None),
        (None, "mine", "two", "CREATED"),
        ("one", NOT_A_FILE, "two", None),
        (None, NOT_A_FILE, "two", None),
        ("one", "mine", None, None),
        ("-", "mine", "two", "MODIFIED"),
        ("-", EMPTY, "two", "DELETED"),
    ],
)
def test_dpkg_prompts_only_if_both_versions_changed(
    recorded: str | None, local: str | NoPlainFile, packaged: str | None, expected: str | None
) -> None:
    assert prompted(recorded, local, packaged) == expected


@pytest.mark.parametrize("thing", ["confdef", "confold", "confnew"])
@pytest.mark.parametrize(("recorded", "local"), [("one", "mine"), ("one", EMPTY), (None, "mine")])
def test_a_forced_answer_prevents_the_prompt(recorded: str | None, local: str | NoPlainFile, thing: str) -> None:
    assert prompted(recorded, local, "two") is not None
    assert prompted(recorded, local, "two", thing) is None
    assert prompted(recorded, local, "two", thing, "confask", "confmiss") is None


def test_a_missing_file_that_is_restored_by_force_is_no_prompt() -> None:
    assert prompted("one", EMPTY, "two", "confmiss") is None
    assert prompted("one", EMPTY, "one", "confmiss", "confask") is None
    assert prompted("one", "mine", "two", "confmiss") == "MODIFIED"
    assert prompted(None, "mine", "two", "confmiss") == "CREATED"


def test_confask_prompts_about_every_local_change() -> None:
    assert prompted("one", "mine", "one", "confask") == "UNCHANGED"
    assert prompted("one", EMPTY, "one", "confask") == "UNCHANGED"
    assert prompted("one", "one", "two", "confask") is None
    assert prompted("one", "mine", "two", "confask") == "MODIFIED"


def test_one_of_several_records_is_enough_for_a_prompt() -> None:
    assert prompted(("mine", "one"), "mine", "two") == "MODIFIED"
    assert prompted(("one", "mine"), "mine", "two") == "MODIFIED"
    assert prompted(("mine", "two"), "mine", "two") is None


@pytest.mark.parametrize(
    ("lines", "forced"),
    [
        (["force-confold"], {"confold"}),
        (["# force-confold", "", "log /var/log/dpkg.log", "no-debsig"], set()),
        (["force-confold "], {"confold"}),
        (["force=confold"], {"confold"}),
        (["force = confold"], {"confold"}),
        (['force "confold"'], {"confold"}),
        (["--force-confold,confdef"], {"confold", "confdef"}),
        (["force-confold", "no-force-confold"], set()),
        (["refuse-confold", "force-confold"], {"confold"}),
        (["force-confold", "force-confmiss", "refuse-confold"], {"confmiss"}),
        (["force-all", "no-force-confnew"], {"confask", "confdef", "confmiss", "confold"}),
        (["force-confold", "no-force-all"], set()),
        (["force-overwrite", "force-unsafe-io"], set()),
        (["enforce-confold", "force-confolder", "force", "force="], set()),
    ],
)
def test_forced_things_are_parsed_in_order(lines: list[str], forced: set[str]) -> None:
    assert read_options(lines).forced == forced


@pytest.mark.parametrize(
    ("lines", "name", "unpacked"),
    [
        ([], "/etc/a.conf", True),
        (["path-exclude=/etc/*"], "/etc/a.conf", False),
        (["path-exclude /etc/*"], "/etc/deep/a.conf", False),
        (["--path-exclude=/etc/*"], "/usr/a.conf", True),
        (["path-exclude=/etc/*", "path-include=/etc/a*"], "/etc/a.conf", True),
        (["path-include=/etc/a*", "path-exclude=/etc/*"], "/etc/a.conf", False),
        (["path-exclude='/etc/with blank'"], "/etc/with blank", False),
    ],
)
def test_the_last_matching_pattern_decides_whether_a_file_is_unpacked(
    lines: list[str], name: str, *, unpacked: bool
) -> None:
    assert read_options(lines).unpacks(name) is unpacked


def test_the_description_names_every_file_and_the_remedy() -> None:
    prompts = (
        ConffilePrompt(file="/etc/a b.conf", reason=PromptReason.MODIFIED),
        ConffilePrompt(file="/etc/c.conf", reason=PromptReason.DELETED),
    )

    assert describe_prompts(prompts, "a") == (
        "/etc/a b.conf was changed on this machine, and the new version brings a changed one too; "
        "/etc/c.conf was deleted on this machine, and the new version brings a changed one. "
        'Decide by hand (apt-get install a), or set security.conffiles = "keep"'
    )
