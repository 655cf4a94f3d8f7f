"""Market data, as ``processes.Process`` starts it: ``… market_data_child DIRECTORY JSON``."""

import asyncio
import sys
from pathlib import Path
from typing import Any

import msgspec
import structlog
from prometheus_client import CollectorRegistry

from fix_gateway.market_data.service import MarketDataService
from fix_gateway.market_data.settings import MarketDataSettings
from fix_gateway.ports import RefusalHandler
from fix_gateway.settings import MarketDataTable
from runtime.link import Link
from runtime.observability import observability
from runtime.process import run_process
from tests.integration.fix_gateway.front_places import market_data_doors, session_files
from tests.integration.fix_gateway.places import TOKEN, address, announce


def market_data_main(directory: Path, overrides: dict[str, Any]) -> int:
    """Run market data; ``dialects`` and ``intervals`` (in milliseconds) are by session."""
    dialects, intervals = overrides.pop("dialects", {}), overrides.pop("intervals", {})
    sessions = {
        name: msgspec.structs.replace(
            file,
            dialect=dialects.get(name, file.dialect),
            market_data=MarketDataTable(interval_milliseconds=intervals.get(name, 0)),
        )
        for name, file in session_files().items()
        if file.kind == "market_data"
    }
    settings = msgspec.convert(
        {
            "comp_id": "RIALTO",
            "doors": market_data_doors(directory),
            "reload_seconds": 0.1,
            **overrides,
        },
        MarketDataSettings,
        dec_hook=lambda kind, value: kind(value),
    )
    registry = CollectorRegistry()

    async def connect(refusals: RefusalHandler) -> Link:
        return await Link.connect(address(directory), "fix_market_data", TOKEN, refusals=refusals)

    async def main(stop: asyncio.Event) -> int:
        service = MarketDataService(settings, sessions=sessions, registry=registry)
        shown = observability(registry, service.health, host="127.0.0.1", port=0)
        async with shown as port:
            (directory / "market_data.metrics_port").write_text(str(port))
            await service.run(
                connect, stop, listening=lambda: announce(directory, "market_data", 1)
            )
        return 0

    return run_process(main)


if __name__ == "__main__":
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(20),
        logger_factory=structlog.PrintLoggerFactory(),
    )
    where, *rest = sys.argv[1:]
    sys.exit(market_data_main(Path(where), msgspec.json.decode(rest[0]) if rest else {}))
