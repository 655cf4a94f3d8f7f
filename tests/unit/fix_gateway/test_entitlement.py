"""Whatever a session asks about what is another firm's, it hears what it would of nothing.

Every request is made twice, in two venues that are alike: once with a name of Bob's or Carol's,
once with one that never was. But for the name itself the answers are the same to the byte, and
nothing that is told to Alice's session at any time holds a name of theirs.
"""

from __future__ import annotations

import msgspec
import pytest

from fix_gateway.translation.directory import Directory
from fix_gateway.translation.inbound import translate
from fix_gateway.translation.kinds import KIND_OF
from fix_gateway.translation.outbound import told_by
from fix_gateway.translation.raw import parse
from fix_gateway.translation.request import Arrival
from fix_gateway.translation.trade_requests import read_request, refused
from messages.trading import commands as c
from messages.trading import events as e
from messages.trading.commands import COMMANDS
from messages.trading.identity import client_id, source_number
from messages.trading.terms import Side
from tests.unit.engine.scenario import ALICE, BOB, BOOK, CAROL, GATEWAY, SECOND, Market

SESSION = 1
SECRETS = ("bob-", "carol-", "A21", "A31", "F2", "F3", "S2", "S3")

NAMES = {
    "client": "bob-rests",
    "account": "A21",
    "firm": "F2",
    "request_client": "bob-asks",
    "quote_client": "carol-quotes",
}
NOBODYS = {
    "order": "7777",
    "trade": "7777",
    "execution": "7777B",
    "client": "nobody-s",
    "account": "A77",
    "firm": "F7",
    "request": "RFQ-7777",
    "request_client": "nobody-s",
    "quote": "RFQ-7777-7778",
    "quote_client": "nobody-s",
}

_TERMS = "55=I1|54=1|60=20261101-10:00:00|"
_PARTY = "453=1|448={}|447=D|452={}|"
_TARGET = "1461=1|1462={}|1463=D|1464=1|"
REQUESTS = [
    ("client", "F", "11=x|1=A11|41={}|" + _TERMS),
    ("order", "F", "11=x|1=A11|37={}|" + _TERMS),
    ("account", "F", "11=x|1={}|41=y|" + _TERMS),
    ("client", "G", "11=x|1=A11|41={}|38=1|40=2|44=99|" + _TERMS),
    ("order", "G", "11=x|1=A11|37={}|38=1|40=2|44=99|" + _TERMS),
    ("client", "H", "1=A11|11={}|55=I1|54=1|"),
    ("order", "H", "1=A11|37={}|55=I1|54=1|"),
    ("account", "H", "1={}|11=x|55=I1|54=1|"),
    ("account", "D", "11=x|1={}|38=1|40=2|44=99|" + _TERMS),
    ("account", "D", "11=x|38=1|40=2|44=99|" + _PARTY.format("{}", 24) + _TERMS),
    ("firm", "D", "11=x|1=A11|38=1|40=2|44=99|" + _PARTY.format("{}", 1) + _TERMS),
    ("client", "D", "11={}|1=A11|38=1|40=2|44=99|" + _TERMS),
    ("account", "DF", "11=x|1={}|38=1|40=2|44=99|" + _TERMS),
    ("account", "q", "11=x|1={}|530=7|"),
    ("firm", "q", "11=x|530=7|" + _TARGET),
    ("account", "CA", "11=x|1={}|1373=1|1374=7|"),
    ("firm", "CA", "11=x|1373=3|1374=7|" + _TARGET),
    ("account", "AF", "584=x|1={}|585=7|"),
    ("firm", "AF", "584=x|585=7|" + _TARGET),
    ("order", "AF", "584=x|1=A11|585=7|5030={}|"),
    ("execution", "Q", "1=A11|17={}|37=NONE|127=A|55=I1|54=1|"),
    ("order", "Q", "1=A11|17=1B|37={}|127=A|55=I1|54=1|"),
    ("account", "Q", "1={}|17=1B|37=NONE|127=A|55=I1|54=1|"),
    ("request_client", "Z", "1=A11|131={}|298=5|"),
    ("request", "Z", "1=A11|131={}|298=5|"),
    ("quote_client", "Z", "1=A11|117={}|537=1|298=5|"),
    ("account", "Z", "1={}|537=1|298=4|"),
    ("request", "a", "649=x|1=A11|117={}|"),
    ("quote", "a", "649=x|1=A11|117={}|"),
    ("request_client", "a", "649=x|1=A11|117={}|"),
    ("quote_client", "a", "649=x|1=A11|117={}|"),
    ("account", "a", "649=x|1={}|"),
    ("quote", "AJ", "693=x|694=1|1=A11|117={}|" + _TERMS),
    ("quote", "AJ", "693=x|694=6|1=A11|117={}|" + _TERMS),
    ("quote", "D", "11=x|1=A11|40=D|117={}|38=10|44=100|" + _TERMS),
    ("request", "S", "117=x|1=A11|131={}|55=I1|132=99|"),
    ("account", "i", "117=x|1={}|296=1|302=0|304=1|295=1|299=y|55=I1|132=99|134=1|"),
    ("account", "Z", "117=x|298=4|1={}|"),
    ("client", "Z", "117=x|298=1|1=A11|295=1|55=I1|299={}|"),
    ("account", "a", "649=x|1={}|302=0|"),
    ("account", "CA", "11=x|1={}|1373=2|1374=7|302=0|"),
    ("account", "R", "131=x|126=20231114-22:13:40|1={}|146=1|55=I1|38=10|"),
    ("request_client", "R", "131={}|126=20231114-22:13:40|1=A11|146=1|55=I1|38=10|"),
]


class World(Market):
    """Bob has an order, a trade and a request; Carol traded with him and gave him a quote."""

    def __init__(self, *, is_maker: bool = False) -> None:
        super().__init__()
        self.grant(CAROL, rights=7)
        if is_maker:
            self.grant(ALICE, rights=7)
        self.buy(5, at=90, account=BOB, client="bob-rests")
        order = self.event(e.OrderAccepted).order_id
        self.buy(5, at=91, account=BOB, client="bob-buys")
        self.sell(5, at=91, account=CAROL, client="carol-sells")
        trade = self.event(e.TradeExecuted)
        request, quote = self.negotiate()
        self.there = NAMES | {
            "order": str(order),
            "trade": str(trade.trade_id),
            "execution": f"{trade.number}B",
            "request": f"RFQ-{request}",
            "quote": f"RFQ-{request}-{quote}",
        }
        self.directory = Directory()
        for each in self.history:
            self.directory.learn(each)

    def negotiate(self) -> tuple[int, int]:
        """Let Bob ask and Carol quote; return the numbers of both."""
        common = {"connection": 1, "instrument": BOOK, "quantity_lots": 10}
        self.send(
            c.RequestForQuote,
            account=BOB,
            session=2,
            side=Side.BUY,
            expire_at_ns=self.now_ns + 60 * SECOND,
            client_request_id=client_id("bob-asks"),
            **common,
        )
        request = self.event(e.QuoteRequested).request_id
        self.send(
            c.GiveRfqQuote,
            account=CAROL,
            session=3,
            request_id=request,
            ask_price_ticks=100,
            client_quote_id=client_id("carol-quotes"),
            **common,
        )
        return request, self.event(e.RfqQuoteGiven).quote_id

    def heard(self) -> list[str]:
        """All that Alice's session was told."""
        return [
            told.text
            for each in self.history
            for told in told_by(each, self.directory)  # type: ignore[arg-type]
            if told.session == SESSION
        ]

    def asks(self, kind: str, body: str) -> list[str]:
        """Send a message of Alice's session, and return what all who hear of it are told."""
        arrival = Arrival(SESSION, source_number(GATEWAY, SESSION), 1, 9000, 1, self.now_ns)
        fields = parse(f"35={kind}|34=9000|{body}".replace("|", "\x01"))
        (record,) = COMMANDS.unpack(translate(fields, arrival, self.directory))
        before = len(self.history)
        self.sequence += 1
        stamps = {"sequence": self.sequence, "time_ns": self.now_ns}
        self.apply(msgspec.structs.replace(record, **stamps).pack())
        return [
            f"{told.session}: {told.text}"
            for each in self.history[before:]
            for told in told_by(each, self.directory)  # type: ignore[arg-type]
        ]


def renamed(texts: list[str], name: str, world: World) -> list[str]:
    """Answers about nobody's, with the name of what is there in its place."""
    names = [(NOBODYS[name], world.there[name])]
    if name == "quote":
        names.append((NOBODYS["request"], world.there["request"]))  # a part of it
    for nobodys, there in names:
        texts = [text.replace(nobodys, there) for text in texts]
    return texts


@pytest.mark.parametrize("is_maker", [False, True])
@pytest.mark.parametrize(("name", "kind", "body"), REQUESTS)
def test_what_is_anothers_is_answered_like_what_never_was(
    name: str, kind: str, body: str, *, is_maker: bool
) -> None:
    there, nobodys = World(is_maker=is_maker), World(is_maker=is_maker)
    if is_maker and name == "request":
        return  # makers are told of every request
    told = there.asks(kind, body.format(there.there[name]))
    assert told, "everything is answered"
    others = [text for text in told if not text.startswith(f"{SESSION}: ")]
    assert all(text.startswith("3: 35=R\x01131=RFQ-") for text in others), "a maker is asked"
    assert told == renamed(nobodys.asks(kind, body.format(NOBODYS[name])), name, nobodys)


def test_every_request_is_tried() -> None:
    assert {kind for _, kind, _ in REQUESTS} == set(KIND_OF)
    assert {name for name, _, _ in REQUESTS} | {"trade"} == set(World().there)


def test_nothing_that_a_session_hears_names_what_is_anothers() -> None:
    world = World(is_maker=True)
    world.buy(3, at=80, account=ALICE, client="alice-1")
    world.sell(2, at=80, account=BOB, client="bob-sells")
    told = world.heard()
    assert any("150=F" in text for text in told), "Bob was her counterparty"
    assert any(text.startswith("35=R") for text in told), "as a maker she hears of his request"
    assert [text for text in told if any(secret in text for secret in SECRETS)] == []


def test_trades_of_anothers_account_are_refused_like_those_of_nobody() -> None:
    world = World()
    texts = []
    for asked in (world.there["account"], NOBODYS["account"]):
        fields = parse(f"35=AD|568=x|569=1|453=1|448={asked}|447=D|452=24|".replace("|", "\x01"))
        wanted, fault = read_request(fields, world.directory, session=SESSION)
        assert fault is not None
        texts.append(refused(wanted, fault))
    assert texts[:1] == renamed(texts[1:], "account", world)


@pytest.mark.parametrize(("name", "tag"), [("trade", 1003), ("order", 37), ("execution", 17)])
def test_trades_named_by_anothers_numbers_are_none(name: str, tag: int) -> None:
    world = World()
    fields = parse(f"35=AD|568=x|569=1|{tag}={world.there[name]}|".replace("|", "\x01"))
    for session, count in ((SESSION, 0), (2, 1)):
        wanted, fault = read_request(fields, world.directory, session=session)
        assert fault is None
        trades = [each for each in world.history if isinstance(each, e.TradeExecuted)]
        captures = [
            text
            for each in trades
            for text in wanted.captures(each, world.directory, session=session)
        ]
        assert len(captures) == count or name == "order", "Bob's order rests"
