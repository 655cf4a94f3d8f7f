"""What the operator wants the venue to know, what it knows, and the commands between the two.

A new venue is seeded by the same comparison that ``admin apply`` makes later: seeding is a
difference from nothing. What cannot change once created (an asset's scale, a tick size, an
account's firm) is reported as a conflict, never applied.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Final

import msgspec

from messages.layout import Record, plain_text
from messages.trading import commands, events

_PAIRS: Final[dict[type[Record], tuple[type[Record], tuple[str, ...], bool]]] = {
    # event: (command, what names the thing, may it change)
    events.VenueConfigured: (commands.ConfigureVenue, (), True),
    events.TradesKept: (commands.KeepTrades, (), True),
    events.AssetCreated: (commands.CreateAsset, ("asset",), False),
    events.FeeScheduleDefined: (commands.DefineFeeSchedule, ("fee_schedule",), False),
    events.InstrumentCreated: (commands.CreateInstrument, ("instrument",), False),
    events.InstrumentLimitsSet: (commands.SetInstrumentLimits, ("instrument",), True),
    events.FirmCreated: (commands.CreateFirm, ("firm",), False),
    events.AccountCreated: (commands.CreateAccount, ("account",), False),
    events.AccountLimitsSet: (commands.SetAccountLimits, ("account",), True),
    events.AssetLimitsSet: (commands.SetAssetLimits, ("account", "asset"), True),
    events.FeeScheduleAssigned: (commands.AssignFeeSchedule, ("account", "instrument"), True),
    events.ProtectionDefined: (
        commands.DefineProtection,
        ("account", "protection_group"),
        True,
    ),
    events.SessionGranted: (commands.GrantSession, ("session", "account"), True),
}
_BY_COMMAND: Final = {command: (keys, may) for command, keys, may in _PAIRS.values()}
_ORDER: Final = {pair[0]: place for place, pair in enumerate(_PAIRS.values())}
_NOT_COMPARED: Final = frozenset(
    {"length", "kind", "version", "flags", "group_left", "reserved", "number", "sequence"}
    | {"time_ns", "received_at_ns", "source", "epoch", "source_sequence", "connection"}
    | {"operator", "approver"}
    | {"reference_ticks"}  # moves with every trade
)


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that configuration and venue do not say alike."""

    subject: str
    wanted: str
    known: str
    wanted_record: Record
    command: Record | None

    @property
    def is_conflict(self) -> bool:
        """Say whether no command can bring the venue to what is wanted."""
        return self.command is None


def compare(wanted: Iterable[Record], definitions: Iterable[Record]) -> list[Difference]:
    """Say what would bring a venue to the wanted definitions, in an order it can be applied in.

    Args:
        wanted: definition commands, at most one for each thing.
        definitions: the venue's own answer, as events.

    Returns:
        One difference for each thing that is missing or says something else. Things that the
        venue knows and configuration does not name are left alone: removing is an operator's act.
    """
    known: dict[tuple[object, ...], Record] = {}
    names: dict[tuple[str, bytes], Record] = {}
    for definition in definitions:
        pair = _PAIRS.get(type(definition))
        if pair is not None:
            known[_key(pair[0], pair[1], definition)] = definition
            if not pair[2]:
                names[pair[0].__name__, _name(definition)] = definition
    differences = []
    for command in sorted(wanted, key=lambda record: _ORDER[type(record)]):
        keys, may_change = _BY_COMMAND[type(command)]
        event: Record | None = known.get(_key(type(command), keys, command))
        changed = _changed(command, event)
        if event is None and not any(
            getattr(command, name) for name in changed if name not in keys
        ):
            continue  # limits of zero are what holds without a word
        namesake = names.get((type(command).__name__, _name(command))) if event is None else None
        if event is None or changed:
            can_be = may_change or (event is None and namesake is None)
            differences.append(
                Difference(
                    subject=_subject(command, keys),
                    wanted=_say(command, changed),
                    known=_known(event or namesake, changed, keys),
                    wanted_record=command,
                    command=_as_change(command, event) if can_be else None,
                )
            )
    return _without_orphans(differences)


def _without_orphans(differences: list[Difference]) -> list[Difference]:
    """Hold back the limits of an instrument whose definition conflicts: their ticks differ too."""
    refused = {
        difference.wanted_record.instrument
        for difference in differences
        if difference.is_conflict
        and isinstance(difference.wanted_record, commands.CreateInstrument)
    }
    return [
        replace(difference, command=None)
        if isinstance(difference.command, commands.SetInstrumentLimits)
        and difference.command.instrument in refused
        else difference
        for difference in differences
    ]


def grants_too_many(
    wanted: Iterable[Record], definitions: Iterable[Record]
) -> list[events.SessionGranted]:
    """Return the session rights that the venue knows and the configuration no longer names.

    Taking a right away is an operator's own act (``admin revoke``), never a side effect.
    """
    named = {
        (record.session, record.account)
        for record in wanted
        if isinstance(record, commands.GrantSession)
    }
    return [
        event
        for event in definitions
        if isinstance(event, events.SessionGranted)
        and event.rights
        and (event.session, event.account) not in named
    ]


def _as_change(command: Record, known: Record | None) -> Record:
    """Return the command to send: a market that trades keeps its reference price."""
    if known is None or not isinstance(command, commands.SetInstrumentLimits):
        return command
    return msgspec.structs.replace(command, reference_ticks=0)


def outcome_of(command: Record) -> Callable[[Record], bool]:
    """Return what recognises the event that says that a definition command became true."""
    wanted, keys = next(
        (event, keys) for event, (kind, keys, _) in _PAIRS.items() if kind is type(command)
    )
    named = tuple(getattr(command, key) for key in keys)

    def is_it(event: Record) -> bool:
        return isinstance(event, wanted) and tuple(getattr(event, key) for key in keys) == named

    return is_it


def _key(command: type[Record], keys: tuple[str, ...], record: Record) -> tuple[object, ...]:
    return (command.__name__, *(getattr(record, key) for key in keys))


def _changed(command: Record, event: Record | None) -> list[str]:
    """Name the fields that both records have and that differ; all of them without an event."""
    names = [
        field.name
        for field in command.FIELDS
        if field.name not in _NOT_COMPARED and not field.name.startswith("spare_")
    ]
    if event is None:
        return names
    theirs = {field.name for field in event.FIELDS}
    return [
        name for name in names if name in theirs and getattr(command, name) != getattr(event, name)
    ]


def _subject(command: Record, keys: tuple[str, ...]) -> str:
    name = "".join(f" {c.lower()}" if c.isupper() else c for c in type(command).__name__).strip()
    return " ".join([name, *(f"{key} {getattr(command, key)}" for key in keys)])


def _name(record: Record) -> bytes:
    """Return what people call the thing; empty for what has no name."""
    named: bytes = getattr(record, "symbol", b"") or getattr(record, "name", b"")
    return named


def _known(event: Record | None, changed: list[str], keys: tuple[str, ...]) -> str:
    if event is None:
        return "nothing"
    return _say(event, [*keys, *changed] if _name(event) else changed)


def _say(record: Record, names: list[str]) -> str:
    values = ((name, getattr(record, name, None)) for name in names)
    return ", ".join(
        f"{name}={plain_text(value) if isinstance(value, bytes) else value}"
        for name, value in values
        if value is not None
    )
