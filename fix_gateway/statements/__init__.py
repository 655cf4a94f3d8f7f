"""What the venue states of its own accord: receipts of disconnects and digests of accounts."""
