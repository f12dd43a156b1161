"""Every target, by name."""

from tests.fuzz import agent_targets, apt_targets, endpoint_targets, record_targets

_ROOMS = (agent_targets, apt_targets, record_targets, endpoint_targets)
TARGETS = {target.name: target for room in _ROOMS for target in room.TARGETS}
