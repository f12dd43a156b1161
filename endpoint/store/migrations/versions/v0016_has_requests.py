"""On PostgreSQL a function decides whether a host has requests: a session plans its query once, not at each contact."""

from alembic import op

revision = "0016"
down_revision = "0015"
# Plans are made while the tables may be nearly empty, and kept while they grow, until the next ANALYZE: each statement
# has one table and one index that it can use.
_FUNCTION = """
CREATE OR REPLACE FUNCTION host_has_requests(of_host varchar, now_s double precision, silent_since double precision)
RETURNS boolean LANGUAGE plpgsql STABLE SET enable_seqscan = off AS $function$
DECLARE
    mine record;
    its record;
BEGIN
    FOR mine IN
        SELECT deployment, status, host_step, cancel_at, delivered_at, changed_at, ended_at
        FROM requests WHERE host_id = of_host AND ended_at IS NULL
        UNION ALL
        SELECT deployment, status, host_step, cancel_at, delivered_at, changed_at, ended_at
        FROM requests WHERE host_id = of_host AND cancel_at IS NOT NULL
    LOOP
        SELECT status, in_flight, at_once, expires_at INTO its FROM deployments WHERE id = mine.deployment;
        IF mine.ended_at IS NULL AND (
            mine.cancel_at IS NOT NULL
            OR mine.host_step IS NOT NULL
                AND coalesce(mine.delivered_at, 0.0) <= silent_since AND mine.changed_at <= silent_since
            OR its.status = 'active' AND (
                mine.status = 'delivered' OR mine.status = 'queued' AND its.in_flight < its.at_once
            )
        ) OR mine.cancel_at IS NOT NULL AND mine.status = 'cancelled'
            AND (mine.host_step IS NULL OR mine.host_step != 'cancelled') AND its.expires_at > now_s
        THEN
            RETURN true;
        END IF;
    END LOOP;
    RETURN false;
END
$function$
"""


def upgrade() -> None:
    """Create the function; `request_statements.HAS_REQUESTS` is the same for SQLite."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(_FUNCTION)
