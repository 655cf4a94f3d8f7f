"""Busts, corrections and receivables: a table of what was corrected, and claims of the venue.

A receivable is a ledger account of its own kind whose balance is never above zero.
"""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TABLE = """
create table settlement.trade_corrections (
    event_number bigint not null,
    trade_id bigint not null,
    is_bust boolean not null,
    corrected_event bigint not null,
    time_ns bigint not null,
    instrument bigint not null,
    previous_price_ticks bigint not null,
    previous_quantity_lots bigint not null,
    previous_notional_atoms bigint not null,
    previous_base_atoms bigint not null,
    price_ticks bigint not null,
    quantity_lots bigint not null,
    notional_atoms bigint not null,
    base_atoms bigint not null,
    taker_side smallint not null,
    maker_order_id bigint not null,
    maker_account bigint not null,
    maker_previous_fee_atoms bigint not null,
    maker_fee_atoms bigint not null,
    taker_order_id bigint not null,
    taker_account bigint not null,
    taker_previous_fee_atoms bigint not null,
    taker_fee_atoms bigint not null,
    operator bigint not null,
    approver bigint not null,
    reference text not null,
    text text not null,
    constraint trade_corrections_pk primary key (event_number),
    constraint trade_corrections_trade_id_fk foreign key (trade_id)
        references settlement.trades (trade_id)
)
"""

UPGRADE = (
    TABLE,
    "create index trade_corrections_trade_id on settlement.trade_corrections (trade_id)",
    """create trigger trade_corrections_are_final
        before update or delete or truncate on settlement.trade_corrections
        for each statement execute function
        settlement.refuse_change('corrections of trades are append-only')""",
    "grant select on settlement.trade_corrections to rialto_settlement, rialto_reader",
    "grant insert on settlement.trade_corrections to rialto_settlement",
    "alter table settlement.balances drop constraint balances_kind_is_known",
    """alter table settlement.balances add constraint balances_kind_is_known
        check (kind in (1, 2, 3, 10, 20))""",
    "alter table settlement.balances drop constraint balances_not_below_credit_floor",
    """alter table settlement.balances add constraint balances_not_below_credit_floor
        check (kind in (3, 10, 20) or balance_atoms >= -credit_floor_atoms)""",
    """alter table settlement.balances add constraint balances_receivable_is_a_claim
        check (kind <> 3 or balance_atoms <= 0)""",
)

DOWNGRADE = (
    "alter table settlement.balances drop constraint balances_receivable_is_a_claim",
    "alter table settlement.balances drop constraint balances_not_below_credit_floor",
    """alter table settlement.balances add constraint balances_not_below_credit_floor
        check (kind >= 10 or balance_atoms >= -credit_floor_atoms)""",
    "alter table settlement.balances drop constraint balances_kind_is_known",
    """alter table settlement.balances add constraint balances_kind_is_known
        check (kind in (1, 2, 10, 20))""",
    "drop table settlement.trade_corrections",
)


def upgrade() -> None:
    """Make room for corrections and claims."""
    for statement in UPGRADE:
        op.execute(statement)


def downgrade() -> None:
    """Take them away; refused by the database while there is a claim."""
    for statement in DOWNGRADE:
        op.execute(statement)
