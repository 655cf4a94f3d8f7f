"""Say what runs, where, and how far each part has come."""

import argparse
import asyncio
import json
import urllib.error
import urllib.request
from typing import Any

import msgspec

from exchange.children import COPIES, PROCESSES, SWITCHED_OFF
from exchange.database import POSTGRES
from exchange.errors import VenueAwayError
from exchange.operator_link import connect
from exchange.state import State
from messages.trading.answers import VenueStatus
from runtime.link import LinkError
from runtime.process import EXIT_OK, EXIT_UNAVAILABLE

HEALTH_SECONDS_MAX = 2.0


def configure(parser: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    parser.add_argument("--json", action="store_true", help="for programs")


def run(options: argparse.Namespace) -> int:
    """Print the report; the exit code is 0 only when every process is healthy."""
    report = venue_report(State(options.state))
    if options.json:
        print(json.dumps(report, indent=2))
    else:
        _print(report)
    return EXIT_OK if report["healthy"] else EXIT_UNAVAILABLE


def venue_report(state: State) -> dict[str, Any]:
    """Gather what the processes and the core say of themselves."""
    processes: dict[str, Any] = {}
    troubles = state.troubles()
    wanted = [name for name in COPIES if name in troubles or state.page(name) is not None]
    for name in (POSTGRES, *PROCESSES, *wanted):
        page = state.page(name)
        if page is None:
            trouble = troubles.get(name, "")
            is_off = trouble == SWITCHED_OFF
            processes[name] = {"pid": None, "healthy": is_off, "addresses": {}, "trouble": trouble}
            continue
        health = _health(page.metrics_port) if page.metrics_port else {"healthy": True}
        processes[name] = {
            "pid": page.pid,
            "healthy": bool(health.get("healthy")),
            "started_at_ns": page.started_at_ns,
            "addresses": page.addresses,
            "metrics_port": page.metrics_port,
            "health": health,
        }
    venue = _venue_status(state)
    fix, guard = processes["fix_gateway"], processes["fix_guard"]
    data, streams = processes["fix_market_data"], processes["retail_streams"]
    return {
        "healthy": venue is not None and all(each["healthy"] for each in processes.values()),
        "state": str(state.root),
        "fix_address": guard["addresses"].get("fix", ""),
        "fixs_address": guard["addresses"].get("fixs", ""),
        "streams_address": streams["addresses"].get("streams", ""),
        "processes": processes,
        "venue": venue,
        "sessions": {
            **fix.get("health", {}).get("sessions", {}),
            **data.get("health", {}).get("sessions", {}),
        },
    }


def _health(port: int) -> dict[str, Any]:
    try:
        with urllib.request.urlopen(  # http on loopback, written by us
            f"http://127.0.0.1:{port}/health", timeout=HEALTH_SECONDS_MAX
        ) as answer:
            body = answer.read()
    except urllib.error.HTTPError as error:
        with error:
            body = error.read()
    except OSError as error:
        return {"healthy": False, "error": str(error)}
    health: dict[str, Any] = json.loads(body)
    return health


def _venue_status(state: State) -> dict[str, Any] | None:
    async def ask() -> VenueStatus:
        link = await connect(state, "admin", patience_seconds=0)
        try:
            answer = await link.query("status")
        finally:
            await link.close()
        return msgspec.msgpack.decode(answer.payload, type=VenueStatus)

    try:
        return dict(msgspec.to_builtins(asyncio.run(ask())))
    except (VenueAwayError, LinkError):
        return None


def _print(report: dict[str, Any]) -> None:
    # Plain lines: the terminal folds them where it likes, and grep finds them whole.
    print(f"Rialto in {report['state']}")
    for name, process in report["processes"].items():
        healthy = "healthy" if process["healthy"] else "NOT HEALTHY"
        says = process.get("trouble") or ", ".join(
            f"{key.replace('_', ' ')} {value}"
            for key, value in _flat(process.get("health", {})).items()
        )
        where = ", ".join(process["addresses"].values())
        line = f"  {name:<16} {process['pid'] or '-':>7}  {healthy}"
        print("; ".join(filter(None, (line, where, says))))
    venue = report["venue"]
    if venue is None:
        print("The core does not answer.")
        return
    print(
        f"venue {venue['venue']}, engine {venue['engine']}, durability {venue['durability']}: "
        f"command {venue['last_sequence']}, event {venue['last_event']}"
    )
    for principal, lags in _lags(venue).items():
        behind = ", ".join(map(str, lags))
        print(f"  {principal} reads events, behind by {behind}")
    for name, session in report["sessions"].items():
        numbers = ""
        if "expects_sequence" in session:  # market data begins at 1 with each connection
            expected, following = session["expects_sequence"], session["next_sequence"]
            numbers = f", expects {expected}, sends {following} next"
        print(
            f"  session {name} ({session['kind'].replace('_', ' ')}): "
            f"{'logged on' if session['is_logged_on'] else 'away'}{numbers}"
        )


def _lags(venue: dict[str, Any]) -> dict[str, list[int]]:
    """Return how many events each principal's links have still to read; one may have several."""
    lags: dict[str, list[int]] = {}
    for link in venue["links"]:
        if link["reads_events"]:
            behind = venue["last_event"] - link["through_event"]
            lags.setdefault(link["principal"], []).append(behind)
    return lags


def _flat(health: dict[str, Any]) -> dict[str, Any]:
    """Return what a process says, without what is shown elsewhere and without nesting."""
    flat: dict[str, Any] = {}
    for key, value in health.items():
        if key not in _SHOWN_ELSEWHERE:
            flat |= value if isinstance(value, dict) else {key: value}
    return flat


_SHOWN_ELSEWHERE = frozenset({"healthy", "sessions"})
