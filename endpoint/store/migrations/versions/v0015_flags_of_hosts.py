"""Hosts with a fix that nothing installs are not patched: the flags are derived again afterwards (`derive_flags`)."""

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """Change no table."""
