"""`tomobeam-healthy [URL]`: whether a service answers; the health check of its container.

Only Python's own library is imported: it runs every half minute in every container.
"""

from __future__ import annotations

import os
import socket
import sys
from http.client import HTTPException
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import ProxyHandler, build_opener

ANSWER_LIMIT_S = 5.0
VARIABLE = "TOMOBEAM_HEALTH_URL"
USAGE = f"usage: tomobeam-healthy [URL], where URL is http://… or tcp://host:port, else {VARIABLE}"

# What is asked is near; no proxy knows it.
_open = build_opener(ProxyHandler({})).open


def fault(url: str) -> str:
    """Why nothing answers at an `http://` or `tcp://host:port` address, or nothing.

    Raises:
        ValueError: it is no such address.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "tcp") or not parts.hostname or not parts.port:
        raise ValueError(f"{url!r} is neither http://host:port/… nor tcp://host:port")
    try:
        if parts.scheme == "tcp":
            socket.create_connection((parts.hostname, parts.port), ANSWER_LIMIT_S).close()
        else:
            _open(url, timeout=ANSWER_LIMIT_S).close()
    except HTTPError as error:
        return f"answers {error.code}"
    except (OSError, HTTPException) as error:
        return str(error) or type(error).__name__
    return ""


def main() -> None:
    """Exit code 0 if it answers, 1 if not, 2 if nobody said what to ask."""
    url = sys.argv[1] if len(sys.argv) > 1 else os.environ.get(VARIABLE, "")
    try:
        why = fault(url)
    except ValueError as error:
        sys.stderr.write(f"{error}\n{USAGE}\n")
        sys.exit(2)
    sys.exit(f"{url}: {why}" if why else 0)
