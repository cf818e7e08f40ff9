"""Runs on a host that has a login of the broker: what the broker lets that login do.

Argument: JSON {"address", "port", "name", "ca", "login", "password_file", "trials": [...]}; a trial
is {"do": "send" | "browse", "to": destination}, or {"do": "connect"} with another "login" or
"password". Prints JSON: for each trial null where the broker allowed it, or its words.

Nothing reaches anybody: what is sent is sent in a transaction that is aborted, and a queue is
browsed, which takes nothing from it.
"""

import json
import socket
import ssl
import sys
from pathlib import Path

LIMIT_S = 10


class Refused(Exception):
    """The broker's words."""


class Client:
    """As much of STOMP 1.2 as the trials need."""

    def __init__(self, orders: dict, login: str, password: str) -> None:
        plain = socket.create_connection((orders["address"], orders["port"]), LIMIT_S)
        context = ssl.create_default_context(cafile=orders["ca"])
        self._socket = context.wrap_socket(plain, server_hostname=orders["name"])
        self._unread = b""
        self.frame("CONNECT", {"accept-version": "1.2", "login": login, "passcode": password})
        self.expect("CONNECTED")

    def frame(self, command: str, headers: dict) -> None:
        lines = [command, *(f"{key}:{value}" for key, value in headers.items()), "", "\0"]
        self._socket.sendall("\n".join(lines).encode())

    def expect(self, wanted: str) -> None:
        """Read up to a frame of that kind.

        Raises:
            Refused: the broker refuses, or ends the connection.
        """
        while True:
            while b"\0" not in self._unread:
                part = self._socket.recv(65536)
                if not part:
                    raise Refused("ended the connection")
                self._unread += part
            frame, _, self._unread = self._unread.lstrip(b"\n").partition(b"\0")
            command, *lines = frame.decode().split("\n")
            if command == "ERROR":
                message = [line for line in lines if line.startswith("message:")]
                raise Refused(message[0].removeprefix("message:") if message else frame.decode())
            if command == wanted:
                return

    def close(self) -> None:
        self._socket.close()


def attempt(orders: dict, password: str, trial: dict) -> None:
    client = Client(orders, trial.get("login", orders["login"]), trial.get("password", password))
    try:
        if trial["do"] == "send":
            client.frame("BEGIN", {"transaction": "t"})
            client.frame("SEND", {"destination": trial["to"], "transaction": "t", "receipt": "s"})
            client.expect("RECEIPT")
            client.frame("ABORT", {"transaction": "t", "receipt": "a"})
            client.expect("RECEIPT")
        elif trial["do"] == "browse":
            headers = {"id": "1", "destination": trial["to"], "browser": "true", "receipt": "b"}
            client.frame("SUBSCRIBE", headers)
            client.expect("RECEIPT")
    finally:
        client.close()


def main() -> None:
    orders = json.loads(sys.argv[1])
    password = Path(orders["password_file"]).read_text(encoding="utf-8").strip()
    answers = []
    for trial in orders["trials"]:
        try:
            attempt(orders, password, trial)
            answers.append(None)
        except (Refused, ssl.SSLError, OSError) as error:
            answers.append(str(error) or type(error).__name__)
    print(json.dumps(answers))


if __name__ == "__main__":
    main()
