"""The database's region: rows of another one never enter it, and a project's never changes.

Revision: 0013, after 0012.
"""

from alembic import op

revision = "0013"
down_revision: str | None = "0012"
branch_labels = None
depends_on = None

_HOME = """
CREATE TABLE home_region (
    singleton boolean NOT NULL DEFAULT true CONSTRAINT home_region_pkey PRIMARY KEY
        CONSTRAINT home_region_singleton_check CHECK (singleton),
    region text NOT NULL
);
GRANT SELECT ON home_region TO bailee_gateway, bailee_clerk, bailee_administrator;
"""

# Before the first start has said which region it is, there is nothing to compare with.
_STAYS = """
CREATE FUNCTION bailee_stays() RETURNS trigger LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = pg_catalog, public AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND NEW.region <> OLD.region THEN
        RAISE EXCEPTION 'a region never changes' USING ERRCODE = 'check_violation';
    END IF;
    IF EXISTS (SELECT FROM home_region WHERE region <> NEW.region) THEN
        RAISE EXCEPTION 'another region' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$
"""

_TRIGGER = """
CREATE TRIGGER stays BEFORE INSERT OR UPDATE OF region ON {table}
    FOR EACH ROW EXECUTE FUNCTION bailee_stays()
"""

_TABLES = ("projects", "epochs", "journals", "segments", "held_objects")


def upgrade() -> None:
    """Make the table, the function and its triggers."""
    statements = [*filter(str.strip, _HOME.split(";\n")), _STAYS]
    statements += [_TRIGGER.format(table=table) for table in _TABLES]
    for statement in statements:
        op.get_bind().exec_driver_sql(statement)
