"""Every configuration key with its parser and default.

Sections and keys are the fields of `Policy` and of its parts; a test holds both to the same names and types.
"""

from collections.abc import Callable
from datetime import time, timedelta

from agent.config.manifest import DEFAULT_MANIFEST
from agent.config.package_patterns import parse_package_patterns
from agent.config.parsers import (
    parse_age,
    parse_burst,
    parse_collector_url,
    parse_conffiles,
    parse_daily_job_mode,
    parse_digests,
    parse_duration,
    parse_environment,
    parse_export_interval,
    parse_flag,
    parse_interval,
    parse_origins,
    parse_path,
    parse_prefetch_mode,
    parse_proxy,
    parse_remove_unused,
    parse_request_timeout,
    parse_script_source,
    parse_size,
    parse_splay,
    parse_tags,
    parse_textfile,
    parse_time,
    parse_url,
    parse_vendor,
    parse_verbs,
    parse_window_name,
)
from agent.config.reboot_parsers import (
    parse_expected,
    parse_fleetlock_group,
    parse_fleetlock_id,
    parse_fleetlock_url,
    parse_grace,
    parse_hook_timeout,
    parse_not_before,
    parse_reboot_mode,
    parse_sessions_mode,
    parse_unit_patterns,
    parse_warning,
)
from agent.config.soak_parsers import parse_cohort, parse_overrides, parse_rollout, parse_soak
from agent.core.frozen import frozen
from agent.core.policy.policy import (
    Conffiles,
    DailyJobMode,
    PrefetchMode,
    RebootMode,
    RemoveUnused,
    ScriptDigests,
    SessionsMode,
)

Choice = Conffiles | DailyJobMode | PrefetchMode | RebootMode | RemoveUnused | SessionsMode
Value = str | bool | int | tuple[str, ...] | timedelta | time | Choice | ScriptDigests
"""A parsed configuration value."""


@frozen
class Key:
    """One key of the configuration file."""

    section: str
    name: str
    parse: Callable[[object], Value]
    default: Value | None
    """None if the default depends on the distribution."""

    @property
    def path(self) -> str:
        """The dotted name, as in messages and `config show`."""
        return f"{self.section}.{self.name}"


KEYS: tuple[Key, ...] = (
    Key(section="agent", name="check_interval", parse=parse_interval, default=timedelta(hours=6)),
    Key(section="agent", name="upgrade", parse=parse_flag, default=True),
    Key(section="agent", name="upgrade_at", parse=parse_time, default=time(4, 0)),
    Key(section="agent", name="splay", parse=parse_splay, default=timedelta(hours=2)),
    Key(section="agent", name="upgrade_window", parse=parse_window_name, default=""),
    Key(section="agent", name="tags", parse=parse_tags, default=()),
    Key(section="security", name="origins", parse=parse_origins, default=None),
    Key(section="security", name="blocklist", parse=parse_package_patterns, default=()),
    Key(section="security", name="allowlist", parse=parse_package_patterns, default=()),
    Key(section="security", name="include_runtime", parse=parse_flag, default=False),
    Key(section="security", name="remove_old_kernels", parse=parse_flag, default=True),
    Key(section="security", name="conffiles", parse=parse_conffiles, default=Conffiles.KEEP),
    Key(section="security", name="remove_unused", parse=parse_remove_unused, default=RemoveUnused.NEVER),
    Key(section="soak", name="security", parse=parse_soak, default=timedelta(0)),
    Key(section="soak", name="other", parse=parse_soak, default=timedelta(0)),
    Key(section="soak", name="rollout", parse=parse_rollout, default=timedelta(0)),
    Key(section="soak", name="cohort", parse=parse_cohort, default="auto"),
    Key(section="soak", name="override", parse=parse_overrides, default=()),
    Key(section="apt", name="lock_timeout", parse=parse_duration, default=timedelta(minutes=10)),
    Key(section="apt", name="refresh_timeout", parse=parse_duration, default=timedelta(minutes=10)),
    Key(section="apt", name="max_list_age", parse=parse_duration, default=timedelta(hours=36)),
    Key(section="apt", name="stall_timeout", parse=parse_duration, default=timedelta(hours=1)),
    Key(section="apt", name="package_timeout", parse=parse_duration, default=timedelta(hours=2)),
    Key(section="apt", name="run_timeout", parse=parse_duration, default=timedelta(hours=6)),
    Key(section="apt", name="fetch_ahead", parse=parse_prefetch_mode, default=PrefetchMode.SECURITY),
    Key(section="docker", name="manifest", parse=parse_path, default=DEFAULT_MANIFEST),
    Key(section="docker", name="environment", parse=parse_environment, default="production"),
    Key(section="docker", name="live_restore", parse=parse_flag, default=False),
    Key(section="docker", name="window", parse=parse_window_name, default=""),
    Key(section="weave", name="vendor", parse=parse_vendor, default=""),
    Key(section="weave", name="source", parse=parse_script_source, default=""),
    Key(section="weave", name="sha256", parse=parse_digests, default=ScriptDigests()),
    Key(section="weave", name="window", parse=parse_window_name, default=""),
    Key(section="reboot", name="policy", parse=parse_reboot_mode, default=RebootMode.NEVER),
    Key(section="reboot", name="window", parse=parse_window_name, default=""),
    Key(section="reboot", name="not_before", parse=parse_not_before, default=""),
    Key(section="reboot", name="expected", parse=parse_expected, default=timedelta(minutes=10)),
    Key(section="reboot", name="sessions", parse=parse_sessions_mode, default=SessionsMode.WAIT),
    Key(section="reboot", name="grace", parse=parse_grace, default=timedelta(minutes=10)),
    Key(section="reboot", name="warning", parse=parse_warning, default=timedelta(minutes=1)),
    Key(section="reboot", name="hook_timeout", parse=parse_hook_timeout, default=timedelta(minutes=5)),
    Key(section="reboot", name="fleetlock_url", parse=parse_fleetlock_url, default=""),
    Key(section="reboot", name="fleetlock_group", parse=parse_fleetlock_group, default="default"),
    Key(section="reboot", name="fleetlock_id", parse=parse_fleetlock_id, default="app"),
    Key(section="reboot", name="fleetlock_ca_file", parse=parse_path, default=""),
    Key(section="reboot", name="fleetlock_token_file", parse=parse_path, default=""),
    Key(section="reboot", name="fleetlock_client_cert", parse=parse_path, default=""),
    Key(section="reboot", name="fleetlock_client_key", parse=parse_path, default=""),
    Key(section="provision", name="first_boot", parse=parse_flag, default=False),
    Key(section="services", name="never_restart", parse=parse_unit_patterns, default=()),
    Key(section="unattended_upgrades", name="mode", parse=parse_daily_job_mode, default=DailyJobMode.COEXIST),
    Key(section="endpoint", name="url", parse=parse_url, default=""),
    Key(section="endpoint", name="token_file", parse=parse_path, default=""),
    Key(section="endpoint", name="enrolment_key_file", parse=parse_path, default=""),
    Key(section="endpoint", name="ca_file", parse=parse_path, default=""),
    Key(section="endpoint", name="client_cert", parse=parse_path, default=""),
    Key(section="endpoint", name="client_key", parse=parse_path, default=""),
    Key(section="endpoint", name="proxy", parse=parse_proxy, default=""),
    Key(section="endpoint", name="interval", parse=parse_export_interval, default=timedelta(minutes=5)),
    Key(section="endpoint", name="timeout", parse=parse_request_timeout, default=timedelta(seconds=30)),
    Key(section="endpoint", name="max_bytes", parse=parse_size, default=16_000_000),
    Key(section="endpoint", name="max_age", parse=parse_age, default=timedelta(days=30)),
    Key(section="endpoint", name="burst", parse=parse_burst, default=500),
    Key(section="requests", name="allow", parse=parse_verbs, default=()),
    Key(section="requests", name="signers", parse=parse_path, default=""),
    Key(section="metrics", name="textfile", parse=parse_textfile, default=""),
    Key(section="metrics", name="compatible_names", parse=parse_flag, default=False),
    Key(section="otlp", name="url", parse=parse_collector_url, default=""),
    Key(section="otlp", name="headers_file", parse=parse_path, default=""),
    Key(section="otlp", name="ca_file", parse=parse_path, default=""),
    Key(section="otlp", name="timeout", parse=parse_request_timeout, default=timedelta(seconds=30)),
    Key(section="otlp", name="logs", parse=parse_flag, default=True),
    Key(section="otlp", name="metrics", parse=parse_flag, default=True),
)
