"""How much one command may do: constants of rule set 1, the same in every engine.

The events of one command are never split, so they must fit one frame of the event log and of the
feed (256 MiB). Docs: docs/matching.md, "How much one command does".
"""

STEPS_PER_COMMAND_MAX: int = 20_000
"""Trades, self-trade preventions, triggered stops and thaws of one command together."""

ORDERS_PER_STEP: int = 64
"""Orders that a round of an uncross looks at for one step: self-trade prevention can make a round
for each order, and each looks at all that cross."""

OPEN_ORDERS_MAX: int = 500_000
"""The most that ConfigureVenue may allow: one command can cancel or expire all of them."""

ORDERS_PER_QUERY_MAX: int = 1000
"""The most orders that one answer lists; whoever asks goes on after the last one."""

SUSPENSIONS_OF_TARGET_MAX: int = 64
"""How many suspensions an account or session may have: instruments and sides of its own choice."""

CLIENT_ID_SHARES = 8
CLIENT_IDS_OF_ACCOUNT_MIN = 1000
"""One account's ids take at most an eighth of the venue's memory for them, or a thousand where
that is more: otherwise one client's cancels could keep everybody's orders out."""

QUOTE_REQUESTS_OF_ACCOUNT_MAX: int = 16
"""Open requests for quote of one account."""

QUOTE_REQUESTS_MAX: int = 1024
"""Open requests for quote of the venue: one kill switch can end all of them."""

QUOTES_OF_REQUEST_MAX: int = 16
"""Quotes that stand for one request, one of each account: its end ends all of them."""

QUOTE_REQUEST_LIFETIME_MAX_NS: int = 600 * 1_000_000_000
"""How long a request may stay open, and with it the funds that its quotes hold."""

TRADES_KEPT_MAX = 1_000_000
"""The most that KeepTrades may ask for: each is 64 bytes of the engine's memory, and a record of
every snapshot."""

PROTECTION_TRADES_MAX: int = 1000
"""The most trades that a protection group counts in its window, and what zero means: each is
remembered as long as the window, and reaching the limit forgets them all."""

PROTECTIONS_OF_ACCOUNT_MAX: int = 100
"""The most protection groups that one account may have."""
