"""A read-only view of `maestro.unattended-upgrades/1`. Light: `status` and the daemon import it.

The encoder is `agent.state.documents.unattended_upgrades`.
"""

from agent.core.schemas import UNATTENDED_UPGRADES_SCHEMA
from agent.state.json_reader import JsonReader
from agent.state.store import UNATTENDED_UPGRADES, Store


class DailyJobView:
    """The distribution's daily job, and who patches this machine."""

    def __init__(self, document: JsonReader) -> None:
        self.raw = document.raw
        self.generated_at = document.time("generated_at")
        self.mode = document.text("mode")
        self.patcher = document.text("patcher")
        """`agent`, `unattended-upgrades` or `nobody`."""
        self.is_on = document.optional_boolean("on")
        """Whether the job installs updates; None: unknown."""
        self.gaps = document.texts("gaps")
        self.unseen = document.optional_text("unseen")
        self.stood_down = document.optional_text("stood_down")
        self.overdue = document.optional_text("overdue")
        self.problem = document.optional_text("problem")
        self.version = document.optional_text("version")
        self.running = document.optional_boolean("running")
        self.last_success_at = document.optional_time("last_success_at")
        timer = document.optional_child("timer")
        self.timer = UnitView(timer) if timer else None
        settings = document.optional_child("settings")
        self.settings = JobSettingsView(settings) if settings else None


class UnitView:
    """A unit of the job."""

    def __init__(self, document: JsonReader) -> None:
        self.load = document.text("load")
        self.active = document.text("active")
        self.enabled = document.text("enabled")
        self.next_at = document.optional_time("next_at")


class JobSettingsView:
    """apt's merged configuration, as far as the job reads it."""

    def __init__(self, document: JsonReader) -> None:
        self.every = document.optional_text("every")
        self.origins = document.texts("origins")
        self.on_shutdown = document.boolean("install_on_shutdown")
        self.update_days = document.texts("update_days")
        reboot = document.child("reboot")
        self.reboots = reboot.boolean("automatic")
        self.reboot_time = reboot.text("time")
        self.with_users = reboot.boolean("with_users")
        self.with_system_users = reboot.boolean("with_system_users")
        self.ignored_users = reboot.texts("ignored_users")


def read_daily_job(store: Store) -> DailyJobView | None:
    """Return what the last check saw; None: nothing is on record.

    Raises:
        RecordError: the document is damaged.
    """
    found = store.read(UNATTENDED_UPGRADES, UNATTENDED_UPGRADES_SCHEMA)
    return DailyJobView(found) if found is not None else None
