"""Waits that end early when their process is asked to stop."""

import asyncio


async def stopped_within(stop: asyncio.Event, seconds: float) -> bool:
    """Wait some seconds, or until asked to stop; say whether that was it."""
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return False
    return True
