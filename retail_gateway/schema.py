"""The tables of the retail API, in the PostgreSQL schema ``retail``.

It keeps which trading account a person has; orders, trades and money are kept by the venue.
"""

NAMESPACE = "retail"
APPLICATION_ROLE = "rialto_retail"
"""What the process works as: it adds rows, and changes none that say whose an account is."""
