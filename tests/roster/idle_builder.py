"""A builder that builds for ever: ends, as the real one, when its parent is gone."""

import asyncio
import sys

from gateway.worker_process import until_alone


async def idle() -> None:
    """Wait for the end of standard input."""
    await until_alone(asyncio.Event())


if __name__ == "__main__":
    sys.stdin.readline()
    asyncio.run(idle())
