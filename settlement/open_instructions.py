"""Which instructions are not settled, kept by a process that looks again and again.

Whether an instruction is over follows from all that was ever decided about it. So a first look
reads all of that, and each later one only the instructions and decisions that are new: what was
settled long ago costs nothing any more.
"""

from typing import NamedTuple

from runtime.postgres import Connection
from settlement.cycle_terms import InstructionEventKind

# What is not settled, and has not been asked for again.
_OPEN = """
with told as (
    select instruction, sum(amount_atoms)::bigint as confirmed, bool_or(kind = 2) as has_failed
    from settlement.instruction_events group by instruction
)
select asked.instruction, asked.cycle, party, account, asset,
    asked.amount_atoms - coalesce(told.confirmed, 0) as rest,
    coalesce(told.has_failed, false) as has_failed
from settlement.instructions as asked
left join told using (instruction)
where told.confirmed is distinct from asked.amount_atoms
    and not exists (
        select from settlement.instructions as later
        where (later.cycle, later.party, later.account, later.asset)
            = (asked.cycle, asked.party, asked.account, asked.asset)
            and later.attempt > asked.attempt
    )
"""

_ENDS = """
select coalesce((select max(cycle) from settlement.cycles), 0) as cycle,
    coalesce((select max(instruction) from settlement.instructions), 0) as instruction,
    coalesce((select max(decision) from settlement.decisions), 0) as decision
"""

_ASKED = """
select instruction, cycle, party, account, asset, amount_atoms
from settlement.instructions where instruction > $1 order by instruction
"""

_TOLD = """
select instruction, kind, amount_atoms
from settlement.instruction_events where decision > $1 order by decision, instruction
"""

Obligation = tuple[int, int, int, int]
"""Cycle, party, account, asset."""


class Totals(NamedTuple):
    """The last cycle, and of what is not settled: how much, how much failed, and the oldest."""

    cycle: int
    unsettled: int
    failed: int
    oldest_cycles: int


class _Open(NamedTuple):
    obligation: Obligation
    rest_atoms: int
    has_failed: bool


class OpenInstructions:
    """The instructions of one ledger that are not settled, as of the last look."""

    def __init__(self) -> None:
        self._cycle = 0
        self._instruction = 0
        self._decision = 0
        self._is_known = False
        self._open: dict[int, _Open] = {}
        self._latest: dict[Obligation, int] = {}
        self.rows_read = 0
        """Instructions and decisions about them that were read so far."""

    async def look(self, connection: Connection) -> Totals:
        """Take in what is new; say what is not settled.

        Args:
            connection: without a transaction.
        """
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            if self._is_known:
                await self._follow(connection)
            else:
                await self._begin(connection)
            ends = await connection.fetchrow(_ENDS)
        assert ends is not None
        self._cycle, self._instruction, self._decision = ends
        return self._totals()

    async def _begin(self, connection: Connection) -> None:
        for number, *obligation, rest, has_failed in await connection.fetch(_OPEN):
            self._ask(number, tuple(obligation), rest)
            if has_failed:
                self._open[number] = self._open[number]._replace(has_failed=True)
        self._is_known = True

    async def _follow(self, connection: Connection) -> None:
        for number, *obligation, amount in await connection.fetch(_ASKED, self._instruction):
            self._ask(number, tuple(obligation), amount)
        for number, kind, amount in await connection.fetch(_TOLD, self._decision):
            self._tell(number, kind, amount)

    def _ask(self, number: int, obligation: Obligation, atoms: int) -> None:
        """Take an instruction in; one that failed and is asked for again counts no more."""
        self.rows_read += 1
        self._open.pop(self._latest.get(obligation, 0), None)
        self._open[number] = _Open(obligation, atoms, has_failed=False)
        self._latest[obligation] = number

    def _tell(self, number: int, kind: int, amount: int) -> None:
        self.rows_read += 1
        if (found := self._open.get(number)) is None:
            return  # It failed and was asked for again, both since the last look.
        if kind == InstructionEventKind.FAILED:
            self._open[number] = found._replace(has_failed=True)
        elif found.rest_atoms == amount:
            del self._open[number], self._latest[found.obligation]
        else:
            self._open[number] = found._replace(rest_atoms=found.rest_atoms - amount)

    def _totals(self) -> Totals:
        ages = [self._cycle - each.obligation[0] for each in self._open.values()]
        failed = sum(each.has_failed for each in self._open.values())
        return Totals(self._cycle, len(ages), failed, max(ages, default=0))
