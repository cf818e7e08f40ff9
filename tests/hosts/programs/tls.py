"""Runs on a host: what the TLS of its services is.

Argument: JSON {"ca": file, "servers": [[address, port, kind], ...], "names": [...]}; kind is
"plain" for TLS from the first byte, "postgresql" for PostgreSQL's own beginning. Prints JSON: for
each server {"names": {name: fault or null}, "version", "ends", "old": whether TLS 1.1 is accepted}.
"""

import json
import socket
import ssl
import struct
import sys

LIMIT_S = 10
SSL_REQUEST = struct.pack("!II", 8, 80877103)


def connect(address: str, port: int, kind: str) -> socket.socket:
    connection = socket.create_connection((address, port), LIMIT_S)
    if kind == "postgresql":
        connection.sendall(SSL_REQUEST)
        if connection.recv(1) != b"S":
            raise ConnectionError("offers no TLS")
    return connection


def checked(server: list, ca: str, name: str) -> dict:
    """What a client sees that trusts the CA and expects that name."""
    context = ssl.create_default_context(cafile=ca)
    with connect(*server) as plain, context.wrap_socket(plain, server_hostname=name) as secure:
        certificate = secure.getpeercert() or {}
        return {"version": secure.version(), "ends": certificate["notAfter"]}


def accepts_old(server: list) -> bool:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    # Debian's own client would not even ask.
    context.set_ciphers("DEFAULT@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    try:
        with connect(*server) as plain, context.wrap_socket(plain):
            return True
    except (ssl.SSLError, ConnectionResetError):
        return False


def examine(server: list, ca: str, names: list) -> dict:
    found = {"names": {}, "old": accepts_old(server)}
    for name in names:
        try:
            found |= checked(server, ca, name)
            found["names"][name] = None
        except (OSError, ssl.SSLError) as error:
            found["names"][name] = str(error)
    return found


def main() -> None:
    orders = json.loads(sys.argv[1])
    answer = [examine(server, orders["ca"], orders["names"]) for server in orders["servers"]]
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
