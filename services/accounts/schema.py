"""The tables of accounts, in the PostgreSQL schema ``accounts``.

A person is one row, locked while it is changed; ``state`` is the whole of it (``person.py``), and
the columns beside it are what people are found by. ``docs/decisions/0027`` says why.
"""

NAMESPACE = "accounts"
APPLICATION_ROLE = "rialto_accounts"
"""What the service works as: no other schema is open to it, and its record is append-only."""
