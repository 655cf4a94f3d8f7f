"""What one operator may do alone, by its amount."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.exchange.plane_desk import (
    PlaneDesk,
)


@pytest.fixture
def desk(tmp_path: Path) -> PlaneDesk:
    return PlaneDesk(tmp_path)


@pytest.mark.parametrize(
    ("fields", "takes_two"),
    [
        ({"open_orders": 10_000}, False),
        ({"open_orders": 10_001}, True),
        ({"burst": 500, "per_second": 10_000}, False),
        ({"burst": 500, "per_second": 10_001}, True),
        ({"per_second": 0}, True),
        ({"burst": 0}, True),
        ({"burst": 0, "per_second": 1}, True),
        ({"burst": 20_000}, False),
        ({"burst": 20_001}, True),
        ({"asset": "USD", "credit_line": "0.000001"}, True),
        ({"asset": "USD", "credit_line": "0"}, False),
        ({"asset": "BTC", "position_max": "1000"}, False),
    ],
    ids=str,
)
async def test_one_operator_raises_limits_up_to_what_is_configured(
    desk: PlaneDesk, fields: dict[str, object], takes_two: bool
) -> None:
    await desk.act("ann", "limits", account="MM1", open_orders=5, burst=1, per_second=1)
    outcome = await desk.act("ann", "limits", account="MM1", **fields)
    assert (outcome.proposal is not None) is takes_two


async def test_one_operator_may_limit_an_account_that_had_no_limit(desk: PlaneDesk) -> None:
    await desk.agreed("limits", account="MM1", burst=0)
    still_none = await desk.act("ann", "limits", account="MM1", per_second=0)
    assert still_none.proposal is None
    limited = await desk.act("ann", "limits", account="MM1", burst=50_000, per_second=50_000)
    assert limited.proposal is None


@pytest.mark.parametrize(
    ("amount", "takes_two"), [("1000", False), ("1000.00000001", True), ("0", True), ("3", False)]
)
async def test_a_position_limit_is_raised_alone_up_to_what_is_configured(
    desk: PlaneDesk, amount: str, takes_two: bool
) -> None:
    await desk.act("ann", "limits", account="MM1", asset="BTC", position_max="5")
    outcome = await desk.act("ann", "limits", account="MM1", asset="BTC", position_max=amount)
    assert (outcome.proposal is not None) is takes_two


async def test_a_credit_line_is_lowered_by_one(desk: PlaneDesk) -> None:
    await desk.agreed("limits", account="MM1", asset="USD", credit_line="500")
    lower = await desk.act("ann", "limits", account="MM1", asset="USD", credit_line="100")
    assert lower.proposal is None
