"""What an endpoint's error response says, for a person. Pure and light."""

import json

from agent.core.redact import one_line


def problem_text(status: int, reason: str, text: str) -> str:
    """Return the text of an error response, with the detail of its problem document (RFC 9457) if it has one."""
    detail = ""
    try:
        problem = json.loads(text)
    except (ValueError, RecursionError):
        problem = None
    if isinstance(problem, dict):
        detail = str(problem.get("detail") or problem.get("title") or "")
    return one_line(f"HTTP {status} {reason}{': ' if detail else ''}{detail}")
