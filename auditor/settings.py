"""What the operator may set of the auditor."""

from pathlib import Path

import msgspec


class AuditorSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where the auditor finds what it reads, how often it looks, and what it may do."""

    directory: Path
    """Where it keeps its pictures and findings."""
    journal: Path | None = None
    """The journal's folder; None where the core is on another machine."""
    may_halt: bool = False
    may_stop_withdrawals: bool = False
    may_kill: bool = False
    figures_seconds: float = 60.0
    """Between two comparisons with the engine's own balances and books."""
    ledger_seconds: float = 0.5
    """Between two looks at the ledger."""
    picture_seconds: float = 30.0
    """Between two pictures written down."""
    silence_seconds_max: float = 5.0
    """After so long without a turn of its loops the auditor calls itself unhealthy."""
    drill_seconds_first: float = 600.0
    drill_seconds: float = 86_400.0
    """Until the first drill, and between two."""
    heads_seconds: float = 10.0
    """Between two signed heads of the trail."""
