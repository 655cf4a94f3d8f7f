"""Every action by its name; who may do it is in ``roles.MATRIX``, which has the same names."""

from types import MappingProxyType
from typing import Final

from exchange.admin import (
    cycles,
    drills,
    fees,
    house,
    limits,
    money,
    notices,
    people,
    switches,
    trades,
)
from exchange.admin.actions import Body

ACTIONS: Final = MappingProxyType[str, type[Body]](
    {
        "kill": switches.Kill,
        "resume": switches.Resume,
        "phase": switches.ChangePhase,
        "announce": notices.Announce,
        "apply": switches.Apply,
        "revoke": switches.RevokeSession,
        "drill.kill": drills.DrillKill,
        "limits": limits.SetLimits,
        "protection": limits.DefineProtection,
        "bust": trades.Bust,
        "correct": trades.Correct,
        "credit": money.Credit,
        "debit": money.Debit,
        "reward": money.Reward,
        "adjust.up": money.AdjustUp,
        "adjust.down": money.AdjustDown,
        "reserve": money.Reserve,
        "commit": money.Commit,
        "release": money.Release,
        "transfer": money.Transfer,
        "settle": money.Settle,
        "house": house.PostHouse,
        "cycles.close": cycles.CloseCycle,
        "cycles.confirm": cycles.ConfirmInstructions,
        "cycles.fail": cycles.FailInstructions,
        "cycles.mode": cycles.SetMode,
        "fees.assign": fees.AssignFees,
        "fees.recompute": fees.RecomputeFees,
        "keys.add": people.AddKey,
        "keys.rotate": people.RotateKey,
        "keys.revoke": people.RevokeKey,
        "operators.add": people.AddOperator,
        "operators.change": people.ChangeOperator,
        "operators.revoke": people.RevokeOperator,
    }
)

URGENT: Final = frozenset({"kill", "drill.kill"})
"""What waits for no other action."""
