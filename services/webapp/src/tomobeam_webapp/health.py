"""`/healthz` for anybody, `/metrics` for the host itself."""

from __future__ import annotations

import ipaddress
import os
import time
from collections.abc import Iterable

from flask import Flask, Response, g, request
from flask.typing import ResponseReturnValue
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Histogram,
    generate_latest,
    multiprocess,
)
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from tomobeam_webapp.live.mirror import Mirror

OPEN_ENDPOINTS = frozenset({"healthz", "metrics"})
_REQUESTS = Counter("tomobeam_webapp_requests_total", "Answers of the page", ["endpoint", "status"])
_SECONDS = Histogram(
    "tomobeam_webapp_request_seconds", "Time to an answer of the page", ["endpoint"]
)
_FORWARDED = ("X-Forwarded-For", "Forwarded", "X-Real-IP")


class _Feeds(Collector):
    def __init__(self, mirror: Mirror) -> None:
        self._mirror = mirror

    def collect(self) -> Iterable[Metric]:
        """Whether what lies behind each list answers."""
        gauge = GaugeMetricFamily("tomobeam_webapp_feed_up", "1: answers", labels=["feed"])
        for name, state in self._mirror.states().items():
            gauge.add_metric([name], 0.0 if state.fault else 1.0)
        yield gauge


def install(server: Flask, mirror: Mirror) -> None:
    """Add both routes and count every request."""

    @server.before_request
    def begin() -> None:
        g.began = time.perf_counter()

    @server.after_request
    def count(response: Response) -> Response:
        endpoint = request.endpoint or "unknown"
        _REQUESTS.labels(endpoint, str(response.status_code)).inc()
        if "began" in g:
            _SECONDS.labels(endpoint).observe(time.perf_counter() - g.began)
        return response

    @server.get("/healthz", endpoint="healthz")
    def healthz() -> ResponseReturnValue:
        # What lies behind may be away: the page says so itself and stays up.
        return {"ok": True, "feeds": {name: not s.fault for name, s in mirror.states().items()}}

    @server.get("/metrics", endpoint="metrics")
    def metrics() -> ResponseReturnValue:
        if not _is_local():
            return {"error": "only from this host"}, 403
        text = generate_latest(_registry()) + generate_latest(_own(mirror))
        return Response(text, content_type=CONTENT_TYPE_LATEST)


def _is_local() -> bool:
    """Whether the peer is this host and passes on nobody else's request."""
    if any(name in request.headers for name in _FORWARDED):
        return False
    try:
        return ipaddress.ip_address(request.remote_addr or "").is_loopback
    except ValueError:
        return False


def _registry() -> CollectorRegistry:
    # With several processes gunicorn is started with this folder.
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return REGISTRY
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)
    return registry


def _own(mirror: Mirror) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(_Feeds(mirror))
    return registry
