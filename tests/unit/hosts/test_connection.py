"""A connection whose host is gone breaks, instead of waiting for hours."""

from __future__ import annotations

import socket
from types import SimpleNamespace
from typing import Any

from tomobeam_deploy.hosts.connection import notice_when_gone
from tomobeam_deploy.site.connection import openssh_options


def host(**connector: Any) -> Any:
    return SimpleNamespace(connector=SimpleNamespace(**connector))


def connected(connection: socket.socket, *, active: bool = True) -> Any:
    transport = SimpleNamespace(sock=connection, is_active=lambda: active)
    return host(client=SimpleNamespace(get_transport=lambda: transport))


def test_the_kernel_asks_a_silent_host_whether_it_is_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        connection = socket.create_connection(server.getsockname())
        notice_when_gone(connected(connection))

        def option(name: int) -> int:
            return connection.getsockopt(socket.IPPROTO_TCP, name)

        assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        idle, times = option(socket.TCP_KEEPIDLE), option(socket.TCP_KEEPCNT)
        assert idle + option(socket.TCP_KEEPINTVL) * times <= 60
        assert option(socket.TCP_USER_TIMEOUT) <= 60_000
        connection.close()


def test_connectors_without_a_connection_are_left_alone() -> None:
    notice_when_gone(host())
    notice_when_gone(host(client=None))


def test_a_connection_that_is_broken_already_is_left_to_who_uses_it() -> None:
    with socket.socket() as connection:
        connection.close()
        notice_when_gone(connected(connection, active=False))


def test_openssh_asks_as_often() -> None:
    options = openssh_options({"ssh_user": "deploy"}.get)
    assert "-oServerAliveInterval=5" in options
    assert "-oServerAliveCountMax=6" in options
    assert "-oStrictHostKeyChecking=yes" in options
    assert "-oUser=deploy" in options
