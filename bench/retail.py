"""All figures of retail, one part after another; each is a benchmark of its own.

    ./rialto bench retail [--quick] [--json]

People's orders over REST, public streams to many readers, order entry over FIX beside them, and
trades into candles. Each part runs in a process of its own, so that none inherits another's memory.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[1]

PARTS: Final = {
    "retail-orders": ("--seconds", "2"),
    "retail-streams": ("--readers", "200", "--idle", "500", "--seconds", "2"),
    "retail-beside": ("--readers", "200", "--rounds", "2", "--seconds", "4"),
    "candles": ("--trades", "100000", "--history", "100000", "--questions", "50"),
}
"""What is run, and what makes a quick look of each."""


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="small figures, to see that it runs")
    parser.add_argument("--json", action="store_true", help="for programs")
    options = parser.parse_args()
    figures: dict[str, Any] = {}
    for part, quick in PARTS.items():
        if not options.json:
            print(f"\n--- {part}\n", flush=True)
        arguments = [*(quick if options.quick else ()), *(("--json",) if options.json else ())]
        done = subprocess.run(
            [sys.executable, "-m", "bench", part, *arguments],
            cwd=ROOT,
            stdout=subprocess.PIPE if options.json else None,
            check=False,
        )
        if done.returncode:
            print(f"bench {part}: ended with {done.returncode}", file=sys.stderr)
            return done.returncode
        if options.json:
            figures[part] = json.loads(done.stdout)
    if options.json:
        print(json.dumps(figures, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
