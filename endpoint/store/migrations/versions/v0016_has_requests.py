"""On PostgreSQL a function decides whether a host has requests: a session plans its query once, not at each contact."""

from alembic import op

revision = "0016"
down_revision = "0015"
_FUNCTION = """
CREATE OR REPLACE FUNCTION host_has_requests(of_host varchar, now_s double precision, silent_since double precision)
RETURNS boolean LANGUAGE plpgsql STABLE AS $function$
BEGIN
    RETURN EXISTS (
        SELECT 1 FROM requests JOIN deployments ON deployments.id = requests.deployment
        WHERE requests.host_id = of_host AND requests.ended_at IS NULL AND (
            requests.cancel_at IS NOT NULL
            OR requests.host_step IS NOT NULL
                AND coalesce(requests.delivered_at, 0.0) <= silent_since AND requests.changed_at <= silent_since
            OR deployments.status = 'active' AND (
                requests.status = 'delivered'
                OR requests.status = 'queued' AND deployments.in_flight < deployments.at_once
            )
        )
    ) OR EXISTS (
        SELECT 1 FROM requests JOIN deployments ON deployments.id = requests.deployment
        WHERE requests.host_id = of_host AND requests.cancel_at IS NOT NULL AND requests.status = 'cancelled'
            AND (requests.host_step IS NULL OR requests.host_step != 'cancelled') AND deployments.expires_at > now_s
    );
END
$function$
"""


def upgrade() -> None:
    """Create the function; `request_statements.HAS_REQUESTS` is the same for SQLite."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(_FUNCTION)
