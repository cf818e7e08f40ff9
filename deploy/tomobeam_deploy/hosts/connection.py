"""What pyinfra's connection to a host lacks: it does not notice when the host is gone."""

from __future__ import annotations

import socket

from pyinfra.api.host import Host

from tomobeam_deploy.site.connection import ASK_EVERY_S, ASK_TIMES


def notice_when_gone(host: Host) -> None:
    """Let a connection break once its host is gone; by itself it waits for hours.

    Does nothing where pyinfra does not use SSH, or where it is broken already.
    """
    client = getattr(host.connector, "client", None)
    transport = client and client.get_transport()
    if not transport or not transport.is_active():
        return
    connection: socket.socket = transport.sock
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (
        (socket.TCP_KEEPIDLE, ASK_EVERY_S),
        (socket.TCP_KEEPINTVL, ASK_EVERY_S),
        (socket.TCP_KEEPCNT, ASK_TIMES),
        # The same for what was sent and never acknowledged.
        (socket.TCP_USER_TIMEOUT, ASK_EVERY_S * ASK_TIMES * 1000),
    ):
        connection.setsockopt(socket.IPPROTO_TCP, option, value)
