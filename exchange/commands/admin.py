"""Operate the venue, in your own name: every action is signed, and goes by the operators' API."""

import argparse
import asyncio
import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from rich.console import Console

from exchange.admin.client import AdminClient, api_address
from exchange.admin.explained import explained
from exchange.admin.founding import found_operators
from exchange.admin.roles import Persons
from exchange.commands import check
from exchange.commands.admin_arguments import ACTIONS, destination
from exchange.commands.tokens import OPERATOR_VARIABLE
from exchange.errors import CommandError
from exchange.operators import Operators, Token, public_key_of, read_token, write_token
from exchange.places import places_parser
from exchange.state import State
from exchange.venue_identity import venue_identity
from fix_gateway.guard.key_files import KeyFileError, KeyFiles
from fix_gateway.settings import read_sessions
from fix_gateway.statements.signing import SigningKeyError, read_signer
from runtime.process import EXIT_OK

VENUE_VARIABLE: Final = "RIALTO_VENUE"
"""Which venue a request to another machine is for, where ``--venue`` does not say so."""

EXIT_FINDINGS: Final = 1

console = Console(highlight=False, soft_wrap=True)

Run = Callable[[argparse.Namespace], int]


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the operators' actions, and what they ask."""
    actions = parser.add_subparsers(metavar="action", required=True)
    groups: dict[str, Any] = {}
    for name in ACTIONS:
        group, _, inner = name.rpartition(".")
        if group and group not in groups:
            below = actions.add_parser(group, help=f"{group}: list and change them")
            groups[group] = below.add_subparsers(metavar="what", required=True)
        one = action_parser(groups[group] if group else actions, inner, name)
        if name in DRY_RUNS:
            one.add_argument("--dry-run", action="store_true", help="only say what would change")
    _configure_proposals(actions)
    for name, summary, asked in (
        ("accounts", "list accounts with their money", _accounts),
        ("firms", "list firms with their accounts, sub-accounts and limits", _firms),
        ("sessions", "list sessions with their rights", _sessions),
        ("disputes", "list executions that clients do not know", _disputes),
        ("me", "say who you are and what you may do", _me),
        ("record", "print the record of what operators did", _record),
    ):
        _signed(actions, name, summary, asked)
    shown = _signed(actions, "show", "print the venue's definitions of a kind", _show)
    shown.add_argument("kind", help="such as account-limits, protection, fee-assignments")
    _signed(groups["operators"], "list", "say who there is", _operators)
    _configure_local(actions, groups)


def action_parser(under: Any, called: str, name: str) -> argparse.ArgumentParser:
    """Add a parser of an action of the operators' plane, under a name of the command's own."""
    summary, arguments = ACTIONS[name]
    one = _signed(under, called, summary, _act)
    one.set_defaults(act=name)
    one.add_argument("--reason", required=True, help="why, for the record")
    for flags, words in arguments:
        one.add_argument(*flags, **words)
    return one


def run(options: argparse.Namespace) -> int:
    """Carry out one action."""
    action: Run = options.action
    return action(options)


def _signed(under: Any, name: str, summary: str, action: Run) -> argparse.ArgumentParser:
    parser = _plain(under, name, summary, action)
    group = parser.add_argument_group("who asks")
    group.add_argument(
        "--as", dest="who", metavar="NAME", help=f"who you are; default: ${OPERATOR_VARIABLE}"
    )
    group.add_argument("--token", type=Path, help="your token; default: in the state's secrets")
    group.add_argument("--url", help="of the API; default: the venue of the state directory")
    group.add_argument(
        "--venue", metavar="ID", help=f"which venue answers there; default: ${VENUE_VARIABLE}"
    )
    group.add_argument("--trust", type=Path, help="PEM of who issued the API's certificate")
    return parser


def _plain(under: Any, name: str, summary: str, action: Run) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = under.add_parser(
        name, parents=[places_parser(is_nested=True)], help=summary, description=summary
    )
    parser.set_defaults(action=action)
    return parser


def _configure_proposals(actions: Any) -> None:
    _signed(actions, "proposals", "list what was proposed, and where it stands", _proposals)
    for name, summary, action in (
        ("approve", "agree to what another operator proposed, and have it done", _approve),
        ("withdraw", "take a proposal back, or turn it down", _withdraw),
    ):
        one = _signed(actions, name, summary, action)
        one.add_argument("proposal", help="its id")
        one.add_argument("--reason", required=True, help="why, for the record")


def _configure_local(actions: Any, groups: dict[str, Any]) -> None:
    """Add what is done on this machine, with files of one's own."""
    about = "check chain and signatures of the record, and the venue's events against it"
    _plain(actions, "check-record", about, _check_record)
    found = _plain(groups["operators"], "found", "make the first operators of a venue", _found)
    found.add_argument("names", nargs="+", metavar="name", help="two or more; each has every role")
    key = _plain(groups["operators"], "key", "make a key, and print its public half", _key)
    key.add_argument("file", type=Path, help="where the private half goes; nobody else needs it")
    listed = _plain(groups["keys"], "list", "say which keys each session has", _keys)
    listed.add_argument("session", nargs="?", help="its comp id")
    about = "print the public key that the venue's statements are signed by"
    _plain(groups["keys"], "venue", about, _venue_key)


# --- who asks ---


def _client(options: argparse.Namespace) -> AdminClient:
    name = options.who or os.environ.get(OPERATOR_VARIABLE)
    state = State(options.state)
    url = options.url or api_address(state)
    if not name:
        raise CommandError(f"who are you? --as NAME, or {OPERATOR_VARIABLE}")
    if options.url:
        if options.token is None:
            raise CommandError("--url needs --token")
        token = Token(name, read_token(options.token))
        return AdminClient(url, token, venue=_venue_asked(options), trust=options.trust)
    operators = Operators(state.operators)
    operator = operators.named(name)
    token = Token.read(operator, options.token or operators.token_path(name))
    return AdminClient(url, token, venue=venue_identity(state), trust=options.trust)


def _venue_asked(options: argparse.Namespace) -> str:
    """Say which venue a request to another machine is for: never what answers there says."""
    venue = options.venue or os.environ.get(VENUE_VARIABLE, "")
    if not re.fullmatch("[0-9a-f]{32}", venue):
        raise CommandError(
            f"--url needs --venue ID, or {VENUE_VARIABLE}: its 32 hexadecimal digits, as"
            " ./rialto status says on its machine"
        )
    return venue


# --- actions ---


def _act(options: argparse.Namespace) -> int:
    if options.act in DRY_RUNS and options.dry_run:
        return DRY_RUNS[options.act](options)
    names = [destination(argument) for argument in ACTIONS[options.act][1]]
    given = {name: getattr(options, name) for name in names}
    body = {name: value for name, value in given.items() if value is not None}
    answer = _client(options).act(options.act, body | {"reason": options.reason})
    console.print(answer["said"])
    if answer.get("proposal"):
        console.print(f"./rialto admin approve {answer['proposal']['id']} --as NAME --reason ...")
    return EXIT_OK


def _approve(options: argparse.Namespace) -> int:
    client = _client(options)
    proposal = client.proposal(options.proposal)
    console.print(f"{proposal['proposed_by']} proposed: {proposal['summary']}")
    console.print(f"  asked as {proposal['body']}")
    console.print(client.approve(options.proposal, proposal["digest"], options.reason)["said"])
    return EXIT_OK


def _withdraw(options: argparse.Namespace) -> int:
    console.print(_client(options).withdraw(options.proposal, options.reason)["said"])
    return EXIT_OK


# --- questions ---


def _fees(options: argparse.Namespace) -> int:
    for said in _client(options).get("/v1/fees") or ["nothing would change"]:
        console.print(said)
    return EXIT_OK


def _proposals(options: argparse.Namespace) -> int:
    for each in _client(options).get("/v1/proposals"):
        by = f"{each['proposed_by']}, {each['approved_by'] or 'nobody yet'}"
        when = _time(each["proposed_at_ns"])
        console.print(
            f"{each['id']}  {when}  {each['action']}  {each['state']}  ({by})  {each['summary']}"
        )
    return EXIT_OK


def _accounts(options: argparse.Namespace) -> int:
    console.print("account, balance")
    for row in _client(options).get("/v1/accounts"):
        if "owes" in row:
            console.print(f"{row['account']} owes the venue {row['owes']} and is suspended")
            continue
        rest = f"held {row['held']}" if "held" in row else f"fees {row['fees']}"
        console.print(f"{row['account']:<12} {row['balance']:>32}   {rest}")
    return EXIT_OK


def _firms(options: argparse.Namespace) -> int:
    firm = ""
    for row in _client(options).get("/v1/firms"):
        if row["firm"] != firm:
            firm = row["firm"]
            console.print(firm)
        limits = "".join(
            f"; credit line {each['credit_line']}, position at most {each['position_max']}"
            for each in row["limits"]
        )
        indent = "    " if row["parent"] else "  "
        name = f"{indent}{row['account']}"
        console.print(f"{name:<20} {row['kind']}, owner group {row['owner_group']}{limits}")
    return EXIT_OK


def _sessions(options: argparse.Namespace) -> int:
    for row in _client(options).get("/v1/sessions"):
        console.print(
            f"{row['session']:<12} (session {row['number']}) may {row['rights']} for "
            f"{row['account']}; on disconnect cancels {row['on_disconnect']}, "
            f"after {row['grace_ns'] / 1e9:g} s"
        )
    return EXIT_OK


def _disputes(options: argparse.Namespace) -> int:
    for row in _client(options).get("/v1/disputes"):
        text = f", {row['text']}" if row["text"] else ""
        console.print(
            f"{_time(row['time_ns'])}  {row['account']} does not know {row['execution']} "
            f"of order {row['order_id']}: {row['reason']}{text}"
        )
    return EXIT_OK


def _show(options: argparse.Namespace) -> int:
    for row in _client(options).get(f"/v1/definitions/{options.kind}"):
        console.print(", ".join(f"{name} {value}" for name, value in row.items()))
    return EXIT_OK


def _operators(options: argparse.Namespace) -> int:
    for row in _client(options).get("/v1/operators"):
        state = "revoked" if row["is_revoked"] else "live"
        console.print(
            f"{row['number']:>6}  {row['name']:<32} {state:<8} {', '.join(row['roles'])}  "
            f"key {row['public_key'][:16]}"
        )
    return EXIT_OK


def _me(options: argparse.Namespace) -> int:
    row = _client(options).get("/v1/me")
    console.print(f"{row['name']}, number {row['number']}: {', '.join(row['roles'])}")
    for action, persons in row["may"].items():
        takes = "" if persons == Persons.ONE else f" ({persons} operators)"
        console.print(f"  {action}{takes}")
    return EXIT_OK


def _record(options: argparse.Namespace) -> int:
    client, after = _client(options), 0
    while page := client.get(f"/v1/record/{after}"):
        for row in page:
            entry, after = row["entry"], row["number"]
            what = entry.get("outcome") or entry.get("summary", "")
            console.print(
                f"{after:>6}  {_time(entry['at_ns'])}  {entry['step']:<10} {entry['operator']:<12} "
                f"{entry['action']:<18} {what}  because: {entry['reason']}"
            )
    return EXIT_OK


def _time(at_ns: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(at_ns // 10**9))


# --- on this machine ---


def _found(options: argparse.Namespace) -> int:
    state = State(options.state)
    state.prepare()
    tokens = found_operators(state, options.names, now_ns=time.time_ns())
    for token in tokens:
        console.print(f"{token.stem}: the token is {token}; give it to that person alone")
    return EXIT_OK


def _check_record(options: argparse.Namespace) -> int:
    found = asyncio.run(explained(State(options.state)))
    for each in found.findings:
        console.print(each)
    console.print(found)
    return EXIT_FINDINGS if found.findings else EXIT_OK


def _key(options: argparse.Namespace) -> int:
    key = Ed25519PrivateKey.generate()
    write_token(options.file, key)
    console.print(public_key_of(key))
    return EXIT_OK


def _keys(options: argparse.Namespace) -> int:
    files = KeyFiles(State(options.state).fix_keys)
    there = [file.sender_comp_id for file in read_sessions(options.sessions).values()]
    if options.session and options.session not in there:
        raise CommandError(
            f"no file in {options.sessions} has the sender_comp_id {options.session}"
        )
    for session in [options.session] if options.session else there:
        try:
            ring = files.read(session)
        except KeyFileError as error:
            raise CommandError(str(error)) from error
        for key in ring.keys:
            state = "live" if key.is_live else "revoked"
            since = _time(key.added_at_ns)
            console.print(f"{session:<12} {key.id:<16} {key.kind:<12} {state:<8} since {since}")
    return EXIT_OK


def _venue_key(options: argparse.Namespace) -> int:
    path = State(options.state).signing_key
    if not path.exists():  # reading would make one, which is the gateway's to do
        raise CommandError(f"{path}: not there; the FIX gateway makes it at its first start")
    try:
        console.print(read_signer(path).public_key)
    except (SigningKeyError, OSError) as error:
        raise CommandError(str(error)) from error
    return EXIT_OK


DRY_RUNS: Final[dict[str, Run]] = {"apply": check.run, "fees.recompute": _fees}
"""Actions that can say what they would do, and how."""
