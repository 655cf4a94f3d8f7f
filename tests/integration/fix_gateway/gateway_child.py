"""A gateway, as ``processes.Process`` starts it: ``python -m ….gateway_child DIRECTORY JSON``."""

import asyncio
import sys
from pathlib import Path
from typing import Any

import msgspec
import structlog
from prometheus_client import CollectorRegistry, generate_latest

from fix_gateway.ports import RefusalHandler
from fix_gateway.service import Gateway
from fix_gateway.settings import GatewaySettings, SessionFile
from runtime.link import Link
from runtime.process import run_process
from tests.integration.fix_gateway.front_places import doors, session_files
from tests.integration.fix_gateway.places import DICTIONARIES, GATEWAY, TOKEN, address, announce


def gateway_main(directory: Path, overrides: dict[str, Any]) -> int:
    dialects, files = overrides.pop("dialects", {}), overrides.pop("files", {})
    sessions = {
        name: msgspec.convert(
            msgspec.to_builtins(file)
            | {"dialect": dialects.get(name, file.dialect)}
            | files.get(name, {}),
            SessionFile,
        )
        for name, file in session_files().items()
        if file.kind != "market_data"
    }
    token = bytes(32) if overrides.pop("has_wrong_secret", False) else TOKEN
    settings = msgspec.convert(
        {
            "principal": GATEWAY,
            "comp_id": "RIALTO",
            "doors": doors(directory),
            "state": str(directory / "fix"),
            "dictionaries": str(DICTIONARIES),
            **overrides,
        },
        GatewaySettings,
        dec_hook=lambda kind, value: kind(value),
    )
    registry = CollectorRegistry()

    async def connect(refusals: RefusalHandler) -> Link:
        return await Link.connect(address(directory), "fix_gateway", token, refusals=refusals)

    async def main(stop: asyncio.Event) -> int:
        (directory / "fix").mkdir(exist_ok=True)
        gateway = Gateway(
            settings,
            sessions=sessions,
            registry=registry,
        )
        await gateway.run(connect, stop, listening=lambda: announce(directory, "gateway", 1))
        (directory / "gateway.metrics").write_bytes(generate_latest(registry))
        return 0

    return run_process(main)


if __name__ == "__main__":
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(20),
        logger_factory=structlog.PrintLoggerFactory(),
    )
    where, *rest = sys.argv[1:]
    sys.exit(gateway_main(Path(where), msgspec.json.decode(rest[0]) if rest else {}))
