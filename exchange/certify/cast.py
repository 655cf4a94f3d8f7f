"""Who plays in a certification: the client, and the desk's own sessions beside it."""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from exchange.errors import CommandError
from fix_gateway.conformance.cases import KINDS

SYMBOL: Final = "BTC-USD"
_PRICES: Final = {"low": "56000.00", "fair": "60000.00", "high": "63000.00"}
_THROTTLE: Final = {"messages": 100, "seconds": 1}
_LOOPBACK: Final = ["127.0.0.1/32"]
_SUFFIX: Final = {"order_entry": "OE", "drop_copy": "DC", "market_data": "MD"}
_FIRST_ID: Final = {"FIX.4.4": 310, "FIX.5.0SP2": 320}
_DESK_ID: Final = 400_000
"""Numbers of the desk's own sessions and accounts, far from an operator's."""

Document = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    """The session under certification, and the others by their parts."""

    client: str
    """The session's name in the venue's files."""
    comp_id: str
    kind: str
    dialect: str
    account: str
    firm: str
    documents: dict[str, Document]
    """Session files by name, of everybody."""

    @property
    def mate(self) -> str:
        """Another session of the client's firm, which may trade for its accounts."""
        return f"{self.client[:24]}-MATE"

    @property
    def peer(self) -> str:
        """A session of another firm."""
        return f"{self.client[:24]}-PEER"

    @property
    def constants(self) -> dict[str, str]:
        """What ``{name}`` stands for in the cases."""
        return {
            "account": self.account,
            "firm": self.firm,
            "session": self.comp_id,
            "mate_account": self.mate,
            "peer_account": self.peer,
            "symbol": SYMBOL,
            **_PRICES,
        }

    @property
    def accounts(self) -> list[str]:
        """The accounts that trade."""
        return [
            account["name"]
            for document in self.documents.values()
            for account in document.get("account", [])
        ]


def own_cast(dialect: str, kind: str) -> Cast:
    """Make a cast whose client is ours too.

    Args:
        dialect: what it speaks.
        kind: of its session.
    """
    number = _FIRST_ID[dialect] + KINDS.index(kind)
    name = f"CERT{'44' if dialect == 'FIX.4.4' else '50'}-{_SUFFIX[kind]}"
    document: Document = {
        "id": number,
        "kind": kind,
        "sender_comp_id": name,
        "dialect": dialect,
        "firm": {"id": number, "name": name},
    }
    if kind == "order_entry":
        document["account"] = [_account(number, name)]
    elif kind == "drop_copy":
        document["drop_copy"] = {"firms": [name]}
    return _completed(name, document)


def client_cast(sessions: Path, name: str) -> Cast:
    """Make a cast around a client's own session file.

    Its networks, throttle, heartbeats and what a lost line cancels are set for the cases; its
    certificate is not asked for, since the desk listens on loopback.

    Raises:
        CommandError: there is no such session.
    """
    path = sessions / f"{name}.toml"
    if not path.is_file():
        raise CommandError(f"there is no session file {path}")
    document = tomllib.loads(path.read_text())
    for key in ("client_certificate_file", "shared_accounts", "disconnect_grace_seconds"):
        document.pop(key, None)
    if document["kind"] == "drop_copy":
        document["drop_copy"] = {"firms": [document["firm"]["name"]]}
    elif document["kind"] == "order_entry" and not document.get("account"):
        raise CommandError(f"{path}: only a session with an account of its own can be certified")
    return _completed(name, document)


def _completed(name: str, client: Document) -> Cast:
    firm = client["firm"]
    client |= {
        "addresses": _LOOPBACK,
        "cancel_on_disconnect": "session" if client["kind"] == "order_entry" else "none",
        "heartbeat": {"seconds_min": 1},
        "throttle": dict(_THROTTLE),
    }
    if client["kind"] == "order_entry":
        client["trade_captures"] = True
    accounts = client.get("account", [])
    cast = Cast(
        client=name,
        comp_id=client["sender_comp_id"],
        kind=client["kind"],
        dialect=client.get("dialect", "FIX.4.4"),
        account=accounts[0]["name"] if accounts else "",
        firm=firm["name"],
        documents={},
    )
    number = _DESK_ID + client["id"] * 2 % 100_000
    mate = _desk_session(number, cast.mate, dict(firm))
    mate["shared_accounts"] = [account["name"] for account in accounts]
    peer = _desk_session(number + 1, cast.peer, {"id": number + 1, "name": cast.peer})
    peer["answers_quote_requests"] = True
    cast.documents.update({name: client, cast.mate: mate, cast.peer: peer})
    return cast


def _desk_session(number: int, name: str, firm: Document) -> Document:
    return {
        "id": number,
        "kind": "order_entry",
        "sender_comp_id": name,
        "cancel_on_disconnect": "session",
        "firm": firm,
        "account": [_account(number, name)],
    }


def _account(number: int, name: str) -> Document:
    return {
        "id": number,
        "name": name,
        "owner_group": number,
        "limits": {"open_orders_max": 1000},
    }
