"""A guard, as ``processes.Process`` starts it: ``python -m ….guard_child DIRECTORY JSON``."""

import asyncio
import sys
from pathlib import Path
from typing import Any

import msgspec
import structlog
from prometheus_client import CollectorRegistry

from fix_gateway.guard.service import Guard
from fix_gateway.guard.settings import GuardSettings
from runtime.observability import observability
from runtime.process import run_process
from tests.integration.fix_gateway.front_places import doors, market_data_doors
from tests.integration.fix_gateway.places import SESSIONS, announce

PATIENT: dict[str, Any] = {
    "logon_seconds": 60,
    "opening_seconds": 60,
    "half_message_seconds": 60,
    "logon_window_seconds": 60,
    "farewell_seconds": 60,
}
"""The guard's limits on time, where a test is not about them: a busy machine is no offence."""


def guard_main(directory: Path, overrides: dict[str, Any]) -> int:
    """Run the guard; of what the gateway was told, only the dialects and limits are its affair."""
    registry, sessions = CollectorRegistry(), directory / "sessions"
    sessions.mkdir(exist_ok=True)
    for path in SESSIONS.glob("*.toml"):
        dialect = overrides.get("dialects", {}).get(path.stem, "FIX.4.4")
        (sessions / path.name).write_text(f'dialect = "{dialect}"\n{path.read_text()}')
    settings = msgspec.convert(
        {
            "comp_id": "RIALTO",
            "host": "127.0.0.1",
            "port": 0,
            "doors": doors(directory),
            "market_data_doors": market_data_doors(directory),
            "sessions": str(sessions),
            "keys": str(directory / "keys"),
            "limits": PATIENT | overrides.get("limits", {}),
        },
        GuardSettings,
        dec_hook=lambda kind, value: kind(value),
    )

    async def main(stop: asyncio.Event) -> int:
        guard = Guard(settings, registry)

        def listening(addresses: dict[str, str]) -> None:
            announce(directory, "guard", int(addresses["fix"].rpartition(":")[2]))

        shown = observability(registry, guard.health, host="127.0.0.1", port=0)
        async with shown as port:
            (directory / "guard.metrics_port").write_text(str(port))
            await guard.run(stop, listening=listening)
        return 0

    return run_process(main)


if __name__ == "__main__":
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(20),
        logger_factory=structlog.PrintLoggerFactory(),
    )
    where, *rest = sys.argv[1:]
    sys.exit(guard_main(Path(where), msgspec.json.decode(rest[0]) if rest else {}))
