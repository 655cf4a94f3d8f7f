from __future__ import annotations

import lzma
from pathlib import Path

import pytest

from exchange.demo.market import Market
from exchange.demo.recorded import RecordedFlow, RecordedFlowError, Step, read_rows

HEADER = "ts_ns,type,order_id,side,price,size\n"
ROWS = """\
1000,A,11,B,23600,200000000
1000,A,12,S,23700,50000000
1000,A,13,S,23701,70000000
2000,C,11,B,23600,50000000
3000,X,12,S,23700,50000000
3000,X,13,S,23701,20000000
3000,X,11,B,23600,1
4000,D,13,S,23701,50000000
5000,D,99,S,23701,1
"""
MARKET = Market(
    instrument=1,
    symbol="BTC-USD",
    tick_units=1,
    price_decimals=2,
    lot_units=1,
    quantity_decimals=8,
    reference_ticks=23_600,
)


def steps_of(path: Path) -> tuple[list[Step], RecordedFlow]:
    flow = RecordedFlow(MARKET, run="r")
    return list(flow.steps(read_rows(path))), flow


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "flow.csv"
    path.write_text(HEADER + ROWS)
    return path


def test_rows_become_requests(recording: Path) -> None:
    steps, flow = steps_of(recording)
    told = [
        (step.time_ns, step.session, step.request.message_type, dict(step.request.fields))
        for step in steps
    ]
    kinds = [(time, session, kind) for time, session, kind, _ in told]
    assert kinds == [
        (1000, "MM1", "D"),
        (1000, "MM2", "D"),
        (1000, "MM2", "D"),
        (2000, "MM1", "G"),
        (3000, "INST1", "D"),
        (3000, "INST1", "D"),
        (4000, "MM2", "F"),
    ]
    add, amend = told[0][3], told[3][3]
    assert (add[54], add[38], add[44], add[59]) == ("1", "2.00000000", "236.00", "1")
    assert (amend[41], amend[38], amend[44]) == (add[11], "1.50000000", "236.00")
    assert flow.skipped == 1


def test_a_run_of_executions_is_one_taker_at_the_worst_price(recording: Path) -> None:
    steps, _ = steps_of(recording)
    buy, sell = (dict(step.request.fields) for step in steps if step.session == "INST1")
    assert (buy[54], buy[38], buy[44], buy[59]) == ("1", "0.70000000", "237.01", "3")
    assert (sell[54], sell[38], sell[44]) == ("2", "0.00000001", "236.00")


def test_a_compressed_recording_reads_the_same(recording: Path) -> None:
    packed = recording.with_name("flow.csv.xz")
    packed.write_bytes(lzma.compress(recording.read_bytes()))
    assert list(read_rows(packed)) == list(read_rows(recording))


def test_an_order_reduced_to_nothing_is_cancelled(tmp_path: Path) -> None:
    path = tmp_path / "flow.csv"
    path.write_text(HEADER + "1,A,1,B,100,5\n2,C,1,B,100,2\n3,C,1,B,100,3\n")
    steps, _ = steps_of(path)
    assert [step.request.message_type for step in steps] == ["D", "G", "F"]
    assert steps[2].request.original_client_order_id == steps[1].request.client_order_id


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("time,type\n", ":1: the header"),
        (HEADER + "1,A,1,B,100\n", ":2: 5 columns"),
        (HEADER + "1,A,1,B,100,5\n1,E,1,B,100,5\n", ":3: type"),
        (HEADER + "1,A,1,X,100,5\n", ":2: side"),
        (HEADER + "1,A,1,B,-100,5\n", ":2: price"),
        (HEADER + "1,A,1,B,1e3,5\n", ":2: price"),
        (HEADER + "1,A,1,B,100,0\n", ":2: price and size"),
        (HEADER + "2,A,1,B,100,5\n1,A,2,B,100,5\n", ":3: ts_ns goes back"),
        (HEADER + "1,A,1,B,\u0661,5\n", "ascii"),
    ],
)
def test_a_wrong_row_is_named(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "flow.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RecordedFlowError, match=says) as refused:
        list(read_rows(path))
    assert str(path) in str(refused.value)


def test_a_missing_or_damaged_file_is_named(tmp_path: Path, recording: Path) -> None:
    with pytest.raises(RecordedFlowError, match=r"nothing\.csv"):
        list(read_rows(tmp_path / "nothing.csv"))
    packed = tmp_path / "flow.csv.xz"
    packed.write_bytes(lzma.compress(recording.read_bytes())[:-10])
    with pytest.raises(RecordedFlowError, match=r"flow\.csv\.xz"):
        list(read_rows(packed))


def test_a_market_with_other_units_is_refused() -> None:
    coarse = Market(
        instrument=1,
        symbol="BTC-USD",
        tick_units=1,
        price_decimals=2,
        lot_units=1,
        quantity_decimals=4,
        reference_ticks=1,
    )
    with pytest.raises(RecordedFlowError, match=r"ticks of 0\.01"):
        RecordedFlow(coarse, run="r")
