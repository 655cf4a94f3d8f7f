"""A publisher whose sessions keep what they are told, for tests."""

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from prometheus_client import CollectorRegistry

from fix_gateway.metrics import Metrics
from fix_gateway.progress import Progress
from fix_gateway.publisher import Publisher
from fix_gateway.sessions import LiveSession
from fix_gateway.settings import SessionFile
from fix_gateway.statements.issuer import Issuer
from fix_gateway.statements.signing import Signer
from messages.trading import events
from messages.trading.identity import client_id
from messages.trading.terms import Side
from runtime.link_frames import EventBatch
from tests.unit.fix_gateway.market import COPY, OTHER, TRADER, directory, tags_of

NAMES = {TRADER: "S1", OTHER: "S2", COPY: "S3"}


class Told:
    """A channel that keeps what it is given."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def send(self, text: str) -> None:
        self.texts.append(text)

    @property
    def messages(self) -> list[dict[int, str]]:
        return [tags_of(text) for text in self.texts]

    def numbers(self) -> list[tuple[int, int]]:
        return [(int(each[1350]), int(each[1181])) for each in self.messages]


class Sessions:
    def __init__(self, level: str = "requests") -> None:
        self.sessions = {
            number: LiveSession(
                msgspec.convert(
                    {
                        "id": number,
                        "kind": "drop_copy" if number == COPY else "order_entry",
                        "sender_comp_id": name,
                        "firm": {"id": 1, "name": "F1"},
                        "drop_copy": {"level": level},
                    },
                    SessionFile,
                ),
                3,
            )
            for number, name in NAMES.items()
        }
        self.told = {number: Told() for number in NAMES}
        self.channels = {NAMES[number]: told for number, told in self.told.items()}
        self.publisher = Publisher(
            directory=directory(),
            sessions=self.sessions.values(),
            channels=self.channels,  # type: ignore[arg-type]
            metrics=Metrics(CollectorRegistry()),
            issuer=Issuer(
                directory=directory(),
                sessions=self.sessions.values(),
                signer=Signer(Ed25519PrivateKey.generate()),
            ),
            progress=Progress({}),
            closing=set(),
            connection_refused=lambda session, code: pytest.fail(f"{session}: {code}"),
        )

        self.log: list[bytes] = []

    def publish(self, *caused: events.Event) -> None:
        after = self.publisher.position
        records = [
            msgspec.structs.replace(event, number=number).pack()
            for number, event in enumerate(caused, after + 1)
        ]
        self.log += records
        self.publisher.publish(EventBatch(after + 1, after + len(records), b"".join(records)))


def accepted(session: int = TRADER, account: int = 11) -> events.Event:
    return events.OrderAccepted.make(
        account=account, session=session, instrument=1, order_id=5, client_order_id=client_id("a")
    )


def traded(*, maker: int, taker: int) -> events.Event:
    return events.TradeExecuted.make(
        instrument=1,
        taker_side=Side.SELL,
        maker_account=maker,
        maker_session=TRADER,
        taker_account=taker,
        taker_session=OTHER if taker == 21 else TRADER,
    )
