"""The tables of people: their logins, sessions and actions; times are Unix seconds."""

import sqlalchemy as sa

from endpoint.store.tables import METADATA

USERS = sa.Table(
    "users",
    METADATA,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("role", sa.String(16), nullable=False),
    sa.Column("may_reboot", sa.Boolean, nullable=False),
    # A JSON list; null: the whole fleet.
    sa.Column("tags", sa.Text),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("disabled_at", sa.Float),
    # `core.passwords`; null: none was set yet.
    sa.Column("password", sa.String(256)),
    sa.Column("password_set_at", sa.Float),
    # In hexadecimal digits; the pending one counts once a code of it was entered.
    sa.Column("totp_secret", sa.String(64)),
    sa.Column("totp_pending", sa.String(64)),
    # The time step of the last code that was used (RFC 6238): each works once.
    sa.Column("totp_step", sa.BigInteger),
    sa.Column("last_login_at", sa.Float),
)

USER_LINKS = sa.Table(
    "user_links",
    METADATA,
    sa.Column("digest", sa.String(64), primary_key=True),
    sa.Column("user_name", sa.ForeignKey("users.name"), nullable=False),
    sa.Column("purpose", sa.String(16), nullable=False),
    sa.Column("expires_at", sa.Float, nullable=False),
)
"""One-time links that were not used yet; only a hash of each."""

SESSIONS = sa.Table(
    "sessions",
    METADATA,
    sa.Column("digest", sa.String(64), primary_key=True),
    sa.Column("user_name", sa.ForeignKey("users.name"), nullable=False, index=True),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("used_at", sa.Float, nullable=False),
    sa.Column("address", sa.String(64), nullable=False),
)
"""Sessions that were not ended; only a hash of what the cookie holds."""

LOGIN_ATTEMPTS = sa.Table(
    "login_attempts",
    METADATA,
    # A hash of a name, or an address.
    sa.Column("subject", sa.String(80), primary_key=True),
    sa.Column("since", sa.Float, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
)
"""Failed logins in the current period, over all processes of the endpoint."""

AUDIT = sa.Table(
    "audit",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("at", sa.Float, nullable=False, index=True),
    sa.Column("person", sa.String(64), nullable=False),
    sa.Column("action", sa.String(32), nullable=False),
    sa.Column("subject", sa.String(256), nullable=False),
    sa.Column("detail", sa.Text, nullable=False),
    # No foreign keys: the record outlives what it is about.
    sa.Column("host_id", sa.String(36), index=True),
    sa.Column("deployment", sa.String(36), index=True),
    sa.Column("address", sa.String(64)),
)
"""Who did what, by page, API and command."""
