"""Addresses that answer."""

from __future__ import annotations

import socket
import ssl
import time
import urllib.error
import urllib.request

from tomobeam_deploy.on_host.resource import Resource
from tomobeam_deploy.on_host.running import Fault
from tomobeam_deploy.on_host.units import end_of_log, show

ANSWER_LIMIT_S = 10
ASK_AGAIN_S = 0.3
MOST_BYTES = 2**16
# A unit that ends so often while it is waited for does not get better.
RESTARTS = 3


class Answers(Resource):
    """An address that answers; `unit` is whose log tells why it does not."""

    url: str
    unit: str
    limit_s: int
    ca: str | None

    def differences(self) -> list[str]:
        """Why it does not."""
        try:
            self._ask()
        except urllib.error.HTTPError as error:
            said = error.read(300).decode(errors="replace").strip()
            return [f"answers {error.code}: {said}"]
        except urllib.error.URLError as error:
            return [f"does not answer: {error.reason}"]
        except (OSError, ValueError) as error:
            return [f"does not answer: {error}"]
        return []

    def put_right(self) -> None:
        """Wait until it does, while its unit has not failed."""
        deadline = time.monotonic() + self.limit_s
        _, restarts = self._state()
        while differences := self.differences():
            state, now = self._state()
            failed = state == "failed" or now - restarts >= RESTARTS
            if failed or time.monotonic() > deadline:
                log = end_of_log(self.unit)
                raise Fault(f"{differences[0]}; {self.unit} is {state}:\n{log}")
            time.sleep(ASK_AGAIN_S)

    def _state(self) -> tuple[str, int]:
        """How the unit is, and how often it was started again by itself."""
        found = show(self.unit, "ActiveState", "NRestarts")
        return found["ActiveState"], int(found.get("NRestarts") or 0)

    def _ask(self) -> None:
        if self.url.startswith("tcp:"):
            connect(self.url)
        else:
            get(self.url, self.ca)


def connect(url: str) -> None:
    """Open a connection to tcp://host:port.

    Raises:
        OSError: nobody takes it.
    """
    host, _, port = url.removeprefix("tcp://").rpartition(":")
    with socket.create_connection((host.strip("[]"), int(port)), ANSWER_LIMIT_S):
        pass


def get(url: str, ca: str | None) -> bytes:
    """What an address answers, of which no more than `MOST_BYTES`; `ca` is the authority for https.

    Raises:
        HTTPError: it answers that something is wrong.
        OSError: it does not answer.
    """
    context = ssl.create_default_context(cafile=ca)
    # The hosts of a site are not reached through a proxy.
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
    )
    with opener.open(url, timeout=ANSWER_LIMIT_S) as answer:
        return answer.read(MOST_BYTES)
