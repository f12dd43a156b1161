"""Every target, by name."""

from tests.fuzz import agent_targets, endpoint_targets, record_targets

TARGETS = {
    target.name: target for target in (*agent_targets.TARGETS, *record_targets.TARGETS, *endpoint_targets.TARGETS)
}
