"""Decisions about settlement say who agreed, where they took two operators."""

from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make room for the second operator; decisions before had none."""
    op.execute("alter table settlement.decisions add column approver bigint default 0 not null")


def downgrade() -> None:
    """Forget the second operators."""
    op.execute("alter table settlement.decisions drop column approver")
