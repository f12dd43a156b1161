"""Text of a host or a person as a page shows it: every character that cannot be seen is written out. Pure."""


def visible(text: str) -> str:
    r"""Replace characters that show nothing or reorder others, such as controls and U+202E, with `\u202e`.

    Only spaces stay: `str.isprintable` is false for controls, formats (bidirectional marks, zero widths), separators
    and surrogates.
    """
    return text if text.isprintable() else "".join(map(_shown, text))


def visible_lines(text: str) -> str:
    """Do the same, and keep line ends: for text that is shown in lines."""
    return "\n".join(map(visible, text.split("\n")))


def _shown(character: str) -> str:
    return character if character.isprintable() else character.encode("unicode_escape", "surrogatepass").decode("ascii")
