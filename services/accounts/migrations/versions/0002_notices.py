"""A notice of each change of a person, for doors that remember keys for a moment.

Written out as it was when this migration was made.
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

FUNCTION = """
create function accounts.tell_of_person() returns trigger language plpgsql as $$
begin
    perform pg_notify('accounts_people', old.person::text);
    return null;
end
$$
"""

TRIGGER = """
create trigger people_tell after update or delete on accounts.people
    for each row execute function accounts.tell_of_person()
"""


def upgrade() -> None:
    """Tell of changes."""
    op.execute(FUNCTION)
    op.execute(TRIGGER)


def downgrade() -> None:
    """Tell of nothing."""
    op.execute("drop trigger people_tell on accounts.people")
    op.execute("drop function accounts.tell_of_person()")
