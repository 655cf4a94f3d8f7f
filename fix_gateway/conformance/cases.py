"""Numbered cases of conformance, as they stand in TOML files.

A case is a list of lines, each one step. ``docs/protocols/certification.md`` describes them:

    > D 11=@a 40=2 -- 38=0.01    a message to the venue; after -- what is only an example
    < 8 11=@a 150=0              the venue's next message, and what it must say
    connect, cut, closed         a new connection; the client drops it; the venue ended it
    ping                         a TestRequest and its Heartbeat, with nothing between them
    settle                       the same, with anything between them
    again 4 34=5                 message 4 once more, as a possible duplicate
    raw 8=FIX.4.4|9=#|...|10=#|  bytes as they stand; ``#`` is computed
    ! lose 8                     what the certification desk does

``NAME> ...`` and ``NAME< ...`` are another party's. Pure: text in, steps out.

Errors:
    CaseFileError: naming file, case, line and reason.
"""

import shlex
import tomllib
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, Final

DIALECTS: Final = ("FIX.4.4", "FIX.5.0SP2")
KINDS: Final = ("order_entry", "drop_copy", "market_data")
_USUAL_KINDS: Final = KINDS[:2]
ME: Final = "me"
_BARE: Final = frozenset({"connect", "cut", "closed", "ping", "settle"})
_KEYS: Final = frozenset(
    {"id", "clause", "title", "why", "dialects", "steps", "task", "never", "needs", "kinds"}
)


class CaseFileError(Exception):
    """A file of cases that cannot be used."""


class Act(Enum):
    """What a step is."""

    SEND = ">"
    EXPECT = "<"
    CONNECT = "connect"
    CUT = "cut"
    CLOSED = "closed"
    SETTLE = "settle"
    AGAIN = "again"
    RAW = "raw"
    DESK = "!"


Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One line of a case."""

    act: Act
    text: str
    """As it stands in the file."""
    party: str = ME
    kind: str = ""
    """MsgType, the number of a message to send again, or what the desk does."""
    fields: Pairs = ()
    examples: Pairs = ()
    """Fields that a client may choose; our own client sends these."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One numbered case."""

    id: str
    clause: str
    title: str
    steps: tuple[Step, ...]
    dialects: tuple[str, ...] = DIALECTS
    why: str = ""
    """Where the venue answers otherwise than the standard's test case suggests, and why."""
    task: str = ""
    """What a client is asked to do."""
    never: tuple[Step, ...] = ()
    """Messages of the client that must not come."""
    needs: tuple[str, ...] = ()
    """What the desk must have for it: another session, an operator's link."""
    kinds: tuple[str, ...] = _USUAL_KINDS
    """What kinds of session it is for."""


@dataclass(slots=True)
class _File:
    name: str
    templates: dict[str, str] = field(default_factory=dict)
    kinds: tuple[str, ...] = _USUAL_KINDS


def read_cases(path: Path) -> list[Case]:
    """Read a file of cases.

    Raises:
        CaseFileError: as the module says.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise CaseFileError(f"{path.name}: {error}") from error
    file = _File(
        path.name, document.get("templates", {}), tuple(document.get("kinds", _USUAL_KINDS))
    )
    cases = [_case(file, table) for table in document.get("case", [])]
    names = [case.id for case in cases]
    twice = {name for name in names if names.count(name) > 1}
    if twice or not cases:
        raise CaseFileError(f"{path.name}: cases that stand twice: {sorted(twice)}")
    return cases


def read_folder(folder: Path) -> list[Case]:
    """Read every file of cases in a folder.

    Raises:
        CaseFileError: as the module says.
    """
    return [case for path in sorted(folder.glob("*.toml")) for case in read_cases(path)]


def _case(file: _File, table: dict[str, Any]) -> Case:
    where = f"{file.name}: case {table.get('id', '?')}"
    unknown = set(table) - _KEYS
    if unknown:
        raise CaseFileError(f"{where}: unknown keys {sorted(unknown)}")
    for key in ("id", "clause", "title", "steps"):
        if not table.get(key):
            raise CaseFileError(f"{where}: {key} is missing")
    dialects = tuple(table.get("dialects", DIALECTS))
    if not dialects or set(dialects) - set(DIALECTS):
        raise CaseFileError(f"{where}: dialects are of {', '.join(DIALECTS)}")
    return Case(
        id=table["id"],
        clause=table["clause"],
        title=table["title"],
        why=table.get("why", ""),
        task=table.get("task", ""),
        needs=tuple(table.get("needs", ())),
        kinds=tuple(table.get("kinds", file.kinds)),
        dialects=dialects,
        steps=tuple(_steps(file, where, table["steps"])),
        never=tuple(_steps(file, where, table.get("never", ""))),
    )


def _steps(file: _File, where: str, text: str) -> list[Step]:
    steps: list[Step] = []
    for line in text.splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        words = shlex.split(line)
        count = 1
        if words[0].startswith("x") and words[0][1:].isdecimal():
            count, words = int(words[0][1:]), words[1:]
        try:
            for _ in range(count):  # each is a step of its own, and known from the others
                steps += _step(file, words, line.strip())
        except (ValueError, KeyError, IndexError) as error:
            raise CaseFileError(f"{where}: {line.strip()!r}: {error}") from error
    return steps


def _step(file: _File, words: list[str], line: str) -> list[Step]:
    first, rest = words[0], words[1:]
    party, sign = (first[:-1], first[-1]) if first[-1] in "<>" else (ME, first)
    party = party or ME
    if sign in ("<", ">"):
        fields, examples = _fields(file, rest[1:])
        act = Act(sign)
        return [
            Step(act=act, text=line, party=party, kind=rest[0], fields=fields, examples=examples)
        ]
    if first == "!":
        fields, _ = _fields(file, [word for word in rest[1:] if "=" in word])
        plain = " ".join(word for word in rest if "=" not in word)
        return [Step(act=Act.DESK, text=line, kind=plain, fields=fields)]
    if first == "raw":
        (text,) = rest
        pairs = [field.partition("=") for field in text.removesuffix("|").split("|")]
        return [Step(act=Act.RAW, text=line, fields=tuple((tag, value) for tag, _, value in pairs))]
    if first == "again":
        fields, _ = _fields(file, rest[1:])
        return [Step(act=Act.AGAIN, text=line, kind=str(int(rest[0])), fields=fields)]
    if ":" in first:
        party, _, first = first.partition(":")
    if first not in _BARE or rest:
        raise ValueError("no such step")
    if first == "ping":
        return [
            Step(act=Act.SEND, text=line, party=party, kind="1", fields=(("112", "@ping"),)),
            Step(act=Act.EXPECT, text=line, party=party, kind="0", fields=(("112", "@ping"),)),
        ]
    return [Step(act=Act(first), text=line, party=party)]


def _fields(file: _File, words: list[str]) -> tuple[Pairs, Pairs]:
    """Read fields; ``&NAME`` stands for a template of the file, and a later value wins over it."""
    required: list[tuple[str, str]] = []
    examples: list[tuple[str, str]] = []
    into = required
    for word in words:
        if word == "--":
            into = examples
        elif word.startswith("&"):
            template, _ = _fields(file, shlex.split(file.templates[word[1:]]))
            into += template
        else:
            tag, sign, value = word.partition("=")
            if not sign:
                raise ValueError(f"{word!r} is no field")
            into.append((tag, value))
    return _merged(required), _merged(examples)


def _merged(pairs: list[tuple[str, str]]) -> Pairs:
    """Let a tag's second value replace its first, unless it says ``+``: then it stands twice."""
    merged: list[tuple[str, str]] = []
    for tag, value in pairs:
        if tag.endswith("+"):
            merged.append((tag[:-1], value))
            continue
        places = [at for at, (other, _) in enumerate(merged) if other == tag]
        if places:
            merged[places[0]] = (tag, value)
        else:
            merged.append((tag, value))
    return tuple(merged)
