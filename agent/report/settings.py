"""What a report says of this machine's own configuration, so that a page on the endpoint can show it. Pure."""

from dataclasses import dataclass

from agent.core.policy.policy import Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedSettings:
    """The settings that a report carries."""

    tags: tuple[str, ...]
    """`agent.tags`, in the order of the configuration."""


def reported_settings(policy: Policy) -> ReportedSettings:
    """Return what reports under this policy carry."""
    return ReportedSettings(tags=policy.agent.tags)
