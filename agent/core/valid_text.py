"""Text of a JSON document from outside, as valid Unicode. Pure and light."""


def valid_text(text: str) -> str:
    """Return the text with "?" for each lone surrogate: JSON may have one, and no file or database takes it."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")
