"""What a report says of this machine's own configuration, so that a page on the endpoint can show it. Pure."""

from collections.abc import Mapping

from agent.core.frozen import frozen
from agent.core.policy.policy import Policy
from agent.core.requests.verb_windows import verb_windows


@frozen
class ReportedSettings:
    """The settings that a report carries."""

    tags: tuple[str, ...]
    """`agent.tags`, in the order of the configuration."""
    requests: Mapping[str, object] | None = None
    """Which requests this machine carries out: `allow`, `signed`, `windows`; None: unknown."""


def reported_settings(policy: Policy) -> ReportedSettings:
    """Return what reports under this policy carry."""
    windows = [verb.value for verb, _, _ in verb_windows(policy)]
    requests = {"allow": list(policy.requests.allow), "signed": bool(policy.requests.signers), "windows": windows}
    return ReportedSettings(tags=policy.agent.tags, requests=requests)
