"""``./rialto bench PART [options]``: measure one part of the venue."""

import importlib
import sys
from typing import Final

PARTS: Final = {
    "core": "the engines in process, beside bare books: rates, percentiles, memory, replay",
    "path": "an order from a socket to its acknowledgement, beside sync and socket",
    "journal": "groups through the native log writer, beside the bare disk",
    "settlement": "trades from a backlog into the ledger, beside bare COPY",
    "auditor": "how fast the auditor catches up, in processor time",
    "auditor-lag": "how far the auditor is behind a whole venue, and after a burst",
    "candles": "trades into candles in PostgreSQL beside bare COPY, and how fast history answers",
    "surveillance": "all detectors over the engine's events, beside the engine that makes them",
    "publisher": "a report in the gateway: translated, numbered and stored by QuickFIX",
    "attacks": "what an honest FIX session notices while others attack",
    "market-data": "order entry without and with many subscribers of moving books",
    "public-data": "what market data costs of a trade and of an order, part by part",
    "retail": "retail-orders, -streams, -beside and candles, one after another",
    "retail-beside": "order entry over FIX without and with a thousand readers of streams",
    "retail-streams": "public streams to a thousand readers, beside a bare picows loop",
    "soak": "memory of every process while eight sessions trade for ten minutes",
    "retail-orders": "people's orders over REST: rate, latency at half of it, beside a bare echo",
    "fix": "an order from a FIX socket to its acknowledgement, beside sync and socket",
}


def main(arguments: list[str]) -> int:
    """Run one part's benchmark with the options that follow its name."""
    if not arguments or arguments[0] not in PARTS:
        print("usage: ./rialto bench <part> [--json] [--help]\n")
        for name, summary in PARTS.items():
            print(f"  {name:<16}{summary}")
        return 0 if arguments and arguments[0] in ("-h", "--help") else 64
    name, *rest = arguments
    sys.argv = [f"bench {name}", *rest]
    return int(importlib.import_module(f"bench.{name.replace('-', '_')}").main() or 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
