"""What a real shell offers for a command line that ends where the cursor is."""

import os
import pty
import re
import subprocess
import tempfile
from functools import cache
from pathlib import Path

from tests.conftest import CHECKOUT

_BASH = """
program=$1
shift
. "completion/$program.bash"
COMP_WORDS=("$program" "$@"); COMP_CWORD=$#
compopt() { :; }
"_${program//-/_}"
printf '%s\\n' "${COMPREPLY[@]}"
"""
_FISH = "source completion/$argv[1].fish; complete -C (string join ' ' -- $argv)"
_ZSHRC = """
fpath=({completion} $fpath)
autoload -U compinit
compinit -u -C -d {directory}/known
compadd() {{
    local -a hits
    if [[ " $* " != *" -O "* && " $* " != *" -D "* && " $* " != *" -A "* ]]; then
        builtin compadd -O hits "$@"
        print -rl -- "<"$^hits">"
    fi
    builtin compadd "$@"
}}
finished() {{ print "<<end>>"; exit }}
comppostfuncs=(finished)
bindkey '^I' complete-word
PROMPT='ready'
"""
_SCREEN_COLUMNS = "1000"


AGENT = "maestro-agent"


def bash(*words: str, program: str = AGENT) -> set[str]:
    """Return what bash offers for the last word."""
    return _lines(["bash", "-c", _BASH, "bash", program, *words])


def fish(*words: str, program: str = AGENT) -> set[str]:
    """Return what fish offers for the last word."""
    return {line.partition("\t")[0] for line in _lines(["fish", "--no-config", "-c", _FISH, "--", program, *words])}


def zsh(*words: str, program: str = AGENT) -> set[str]:
    """Return what zsh offers for the last word: it completes only at a terminal."""
    own, terminal = pty.openpty()
    environment = {**os.environ, "ZDOTDIR": _zsh_home().name, "TERM": "dumb", "COLUMNS": _SCREEN_COLUMNS}
    process = subprocess.Popen(
        ["zsh", "-d", "-i"], stdin=terminal, stdout=terminal, stderr=terminal, env=environment, cwd=CHECKOUT
    )
    os.close(terminal)
    _read_until(own, "ready")
    os.write(own, f"{program} {' '.join(words)}\t".encode())
    shown = _read_until(own, None)
    process.wait(timeout=60)
    os.close(own)
    return set(re.findall(r"<([^<>]+)>", shown)) - {"end"}


@cache
def _zsh_home() -> "tempfile.TemporaryDirectory[str]":
    """Return a directory with zsh's settings; its first start adds what it has found of all completions."""
    home = tempfile.TemporaryDirectory()
    Path(home.name, ".zshrc").write_text(_ZSHRC.format(completion=CHECKOUT / "completion", directory=home.name))
    return home


def _lines(command: list[str]) -> set[str]:
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()) - {""}


def _read_until(terminal: int, end: str | None) -> str:
    """Return what the shell writes up to a text, or to its exit: reading fails with EIO then (pty(7))."""
    found = ""
    while end is None or end not in found:
        try:
            found += os.read(terminal, 65536).decode(errors="replace")
        except OSError:
            break
    return found
