"""The parties of a request: the firm, the account and the trader that it names."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from fix_gateway.translation import tags
from fix_gateway.translation.raw import Entry, Fields
from fix_gateway.translation.text import shown
from messages.trading.codes import RejectCode

_TRADER = re.compile(r"[1-9][0-9]{0,9}", re.ASCII)
_TRADER_MAX = (1 << 32) - 1
_ROLES = {
    tags.PARTY_ROLE_EXECUTING_FIRM: "firm",
    tags.PARTY_ROLE_ORDER_ORIGINATION_TRADER: "trader",
    tags.PARTY_ROLE_CUSTOMER_ACCOUNT: "account",
}

Refuse = Callable[[RejectCode, str], int]


@dataclass(frozen=True, slots=True)
class Parties:
    """What a request's parties say; empty or zero where it names none."""

    account: str = ""
    trader: int = 0


_NOBODY = Parties()


def read_parties(fields: Fields, *, firm: str, refuse: Refuse) -> Parties:
    """Read NoPartyIDs (453).

    Args:
        fields: the request.
        firm: the name of the session's firm, the only one that it may name.
        refuse: told of what cannot be taken; nothing is ever ignored.
    """
    entries = fields.groups.get(tags.NO_PARTY_IDS)
    if entries is None:
        return _NOBODY
    named: dict[str, str] = {}
    for entry in entries:
        _read_party(entry, named, refuse)
    if named.get("firm", firm) != firm:
        refuse(
            RejectCode.GATEWAY_ACCOUNT_NOT_ENTITLED,
            f"party {shown(named['firm'])} is not this session's firm",
        )
    return Parties(named.get("account", ""), _trader(named.get("trader"), refuse))


def read_target_firm(fields: Fields, *, firm: str, refuse: Refuse) -> bool:
    """Read NoTargetPartyIDs (1461), and say whether the session's firm is the target."""
    entries = fields.groups.get(tags.NO_TARGET_PARTY_IDS, [])
    if not entries:
        return False
    entry = entries[0]
    source, role = entry.get(tags.TARGET_PARTY_ID_SOURCE), entry.get(tags.TARGET_PARTY_ROLE)
    if (
        len(entries) > 1
        or source != tags.TARGET_PARTY_ID_SOURCE_PROPRIETARY
        or role != tags.TARGET_PARTY_ROLE_EXECUTING_FIRM
    ):
        refuse(
            RejectCode.GATEWAY_SCOPE_UNSUPPORTED,
            "one target party with 1463=D and 1464=1, the firm, and no other",
        )
    elif entry.get(tags.TARGET_PARTY_ID) != firm:
        name = entry.get(tags.TARGET_PARTY_ID, "")
        refuse(
            RejectCode.GATEWAY_ACCOUNT_NOT_ENTITLED,
            f"target party {shown(name)} is not this session's firm",
        )
    return True


def _read_party(entry: Entry, named: dict[str, str], refuse: Refuse) -> None:
    role = entry.get(tags.PARTY_ROLE, "")
    who = _ROLES.get(role)
    if who is None:
        refuse(
            RejectCode.GATEWAY_FIELD_MALFORMED,
            f"PartyRole (452) {shown(role)}: only 1 firm, 11 trader, 24 account",
        )
    elif entry.get(tags.PARTY_ID_SOURCE) != tags.PARTY_ID_SOURCE_PROPRIETARY:
        refuse(
            RejectCode.GATEWAY_FIELD_MALFORMED,
            f"PartyIDSource (447) {shown(entry.get(tags.PARTY_ID_SOURCE, ''))}: only D",
        )
    elif who in named:
        refuse(RejectCode.GATEWAY_FIELD_MALFORMED, f"two parties with PartyRole (452) {role}")
    else:
        named[who] = entry.get(tags.PARTY_ID, "")


def _trader(text: str | None, refuse: Refuse) -> int:
    if text is None:
        return 0
    if _TRADER.fullmatch(text) and int(text) <= _TRADER_MAX:
        return int(text)
    return refuse(
        RejectCode.GATEWAY_FIELD_MALFORMED,
        f"trader {shown(text)} is not a number of 1 to {_TRADER_MAX}",
    )
