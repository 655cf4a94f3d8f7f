"""A core, as ``processes.Process`` starts it: ``python -m ….core_child DIRECTORY DURABILITY``."""

import asyncio
import sys
from pathlib import Path

import msgspec
import structlog

from messages.trading.commands import COMMANDS
from runtime.process import run_process
from tests.integration.fix_gateway.places import ADMIN, GATEWAY, MARKET_DATA, address, announce
from venue.engines import create_engine
from venue.metrics import MetricsInMemory
from venue.service import run_core
from venue.settings import VenueSettings

_TRADING = (
    "PlaceOrder",
    "CancelOrder",
    "AmendOrder",
    "MassCancel",
    "QueryOrder",
    "RequestForQuote",
    "GiveRfqQuote",
    "AcceptRfqQuote",
    "WithdrawRfq",
    "QueryRfq",
    "CheckOrder",
    "MassAction",
    "QueryOrders",
    "GroupHeader",
    "EnterQuote",
    "CancelQuotes",
    "ResetProtection",
    "QueryProtection",
    "RecordRefusal",
    "OpenSession",
    "OpenSessionOnTerms",
    "CloseSession",
)


def core_main(directory: Path, durability: str) -> int:
    settings = msgspec.convert(
        {
            "directory": str(directory / "venue"),
            "listen": (address(directory),),
            "durability": durability,
            "principals": {
                "admin": {
                    "number": ADMIN,
                    "token_file": str(directory / "admin.token"),
                    "may_send": tuple(
                        record.__name__
                        for record in COMMANDS.by_kind.values()
                        if record.__name__ not in ("AdvanceTime", "LinkLost", "GroupHeader")
                    ),
                },
                "fix_gateway": {
                    "number": GATEWAY,
                    "token_file": str(directory / "fix_gateway.token"),
                    "may_send": _TRADING,
                },
                "fix_market_data": {
                    "number": MARKET_DATA,
                    "token_file": str(directory / "fix_market_data.token"),
                },
            },
        },
        VenueSettings,
    )

    def started(_venue: bytes, _addresses: list[str]) -> None:
        announce(directory, "core", 1)

    async def main(stop: asyncio.Event) -> int:
        return await run_core(
            settings,
            create_engine("native"),
            stop,
            MetricsInMemory(),
            started=started,
        )

    (directory / "venue").mkdir(exist_ok=True)
    return run_process(main)


if __name__ == "__main__":
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(20),
        logger_factory=structlog.PrintLoggerFactory(),
    )
    where, *rest = sys.argv[1:]
    sys.exit(core_main(Path(where), rest[0] if rest else "process"))
