"""Explaining a digest: the one order or execution that a log has otherwise is named."""

from pathlib import Path

import pytest

from exchange.__main__ import main
from exchange.commands.explain_digest import EXIT_DIFFERS
from exchange.demo.state_digest import AccountState, hash_of
from exchange.digest_explanation import explain, movements, read_log, read_messages
from fix_gateway.statements.signing import read_signer

Report = dict[int, str]


def report(event: str, order: str, *, status: str = "0", kind: str = "0", **more: str) -> Report:
    filled, leaves = more.get("filled", "0"), more.get("leaves", "1.0")
    fields = {
        35: "8",
        34: "1",
        37: order,
        11: f"c{order}",
        17: event,
        150: kind,
        39: status,
        1: "ACC",
        55: "BTC-USD",
        54: "1",
        38: "1.0",
        44: "100.00",
        14: filled,
        151: leaves,
    }
    if kind == "F":
        fields |= {31: "100.00", 32: "0.5", 137: "0.25", 138: "USD"}
    return fields


FIRST = report("10", "1")
TRADED = report("12B", "1", status="1", kind="F", filled="0.5", leaves="0.5")
SECOND, GONE = report("13", "2"), report("15", "2", status="4", kind="4", leaves="0")
THIRD = report("16", "3")
REPORTS = [FIRST, TRADED, SECOND, GONE, THIRD]


def line_of(fields: Report) -> str:
    body = "|".join(f"{tag}={value}" for tag, value in fields.items())
    return f"2026-11-30 in 8=FIX.4.4|9=1|{body}|10=000|"


def digest_line(reports: list[Report], *, event: int, usd: str) -> str:
    state = AccountState()
    for each in reports:
        state.take(each)
    orders = f"orders {len(state.orders)} digest {state.orders_digest:016x}"
    executions = f"executions {len(state.executions)} digest {state.executions_digest:016x}"
    money = f"money USD balance {usd} held 0.00"
    return (
        f"8=FIX.4.4|9=1|35=B|34=9|33=3|58={orders}|58={executions}|58={money}|"
        f"148=STATE DIGEST ACC at event {event} page 1 of 1|5002={event}|10=000|"
    )


def log_text(have: list[Report], *, truth: list[Report] | None = None) -> str:
    lines = [digest_line([], event=9, usd="1000.00"), *map(line_of, have)]
    return "\n".join([*lines, digest_line(truth or REPORTS, event=16, usd="949.75")])


def said_of(text: str) -> list[str]:
    log = read_log(read_messages(text))
    return explain(log, log.digests[-1])


def test_a_whole_log_agrees_and_its_trades_explain_the_money() -> None:
    log = read_log(read_messages(log_text(REPORTS)))
    assert explain(log, log.digests[-1]) == []
    assert movements(log, log.digests[-1], log.digests[0]) == [
        (
            "USD: moved -50.25 since event 9, of it -50.250 by the log's trades and fees, "
            "0.000 otherwise"
        )
    ]


@pytest.mark.parametrize(
    ("lost", "said"),
    [
        (GONE, "order 2 is open in the log and not at the venue"),
        (TRADED, "execution 12B is missing in the log"),
    ],
)
def test_the_report_that_is_missing_is_found(lost: Report, said: str) -> None:
    assert said in said_of(log_text([each for each in REPORTS if each is not lost]))


def test_what_the_venue_never_said_is_found() -> None:
    invented = report("14B", "2", status="1", kind="F", filled="0.5", leaves="0.5")
    have = [FIRST, TRADED, SECOND, invented, GONE, THIRD]
    assert "execution 14B is in the log and not at the venue" in said_of(log_text(have))
    early = [each for each in REPORTS if each is not GONE]
    said = said_of(log_text(REPORTS, truth=early))
    told = "order 2 is at the venue as the log has it after event 13"
    assert any(line.startswith(told) for line in said)


def test_a_gap_in_the_numbers_says_what_to_ask_for() -> None:
    numbered = [
        each | {1181: str(10 * int(each[17].rstrip("B"))), 1350: before}
        for each, before in zip(REPORTS, ("90", "100", "120", "130", "150"), strict=True)
    ]
    said = said_of(log_text([each for each in numbered if each[17] != "16"]))
    assert said[0] == "open orders: the venue has 2, the log 1"
    said = said_of(log_text([each for each in numbered if each[17] not in ("13", "15")]))
    assert said == []  # an order that came and went changes no sum
    said = said_of(log_text([each for each in numbered if each[17] not in ("12B", "15")]))
    assert any("nothing between the numbers (1181) 100 and 130" in line for line in said)
    assert "orders agreed last at event 9" in said


def test_the_command_says_it_in_its_exit_code_and_checks_signatures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, signer = tmp_path / "fix.log", read_signer(tmp_path / "key")
    signed = signer.sign("35=B\x0133=1\x0158=x\x01148=news\x01")
    path.write_text(f"{log_text(REPORTS)}\n8=FIX.4.4\x019=1\x01{signed}10=000\x01\n")
    assert main(["explain-digest", str(path)]) == 0
    assert main(["explain-digest", str(path), "--public-key", signer.public_key]) == 0
    other = read_signer(tmp_path / "other").public_key
    assert main(["explain-digest", str(path), "--public-key", other]) == EXIT_DIFFERS
    path.write_text(log_text(REPORTS[:-1]))
    assert main(["explain-digest", str(path)]) == EXIT_DIFFERS
    assert "open orders: the venue has 2, the log 1" in capsys.readouterr().out
    path.write_text("nothing")
    assert main(["explain-digest", str(path)]) != 0


def test_hashes_are_the_first_bytes_of_sha_256() -> None:
    assert hash_of("abc") == 0xBA7816BF8F01CFEA
