"""The reference engine: the readable specification of matching and risk, and the oracle."""
