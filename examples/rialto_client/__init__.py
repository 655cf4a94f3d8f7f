"""A small client of Rialto, to read and to copy: REST, streams, FIX. None of the venue's code.

It needs ``httpx``, ``websockets``, ``simplefix`` and ``cryptography``.
"""
