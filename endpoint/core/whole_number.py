"""Numbers of addresses and forms. Pure."""


def whole_number(text: str, most: int) -> int | None:
    """Return a number from 0 to `most` in ASCII digits; None: it is none, or a larger one, of any length."""
    fits = text.isascii() and text.isdigit() and len(text) <= len(str(most)) and int(text) <= most
    return int(text) if fits else None
