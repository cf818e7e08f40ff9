"""Runs on a host: which of these addresses let one connect.

Argument: JSON {"addresses": [[address, port], ...], "limit_s": seconds}. Prints JSON: those that
do. All are tried at once; one that refuses and one that is silent are both closed.
"""

import asyncio
import json
import sys


async def is_open(address: str, port: int, limit_s: float) -> bool:
    try:
        _, writer = await asyncio.wait_for(asyncio.open_connection(address, port), limit_s)
    except (TimeoutError, OSError):
        return False
    writer.close()
    return True


async def scan(addresses: list, limit_s: float) -> list:
    answers = await asyncio.gather(*(is_open(a, p, limit_s) for a, p in addresses))
    return [pair for pair, answer in zip(addresses, answers, strict=True) if answer]


if __name__ == "__main__":
    orders = json.loads(sys.argv[1])
    print(json.dumps(asyncio.run(scan(orders["addresses"], orders["limit_s"]))))
