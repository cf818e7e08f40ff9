"""How far a service is behind, from what it says of itself."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from roles.postgresql.deploy import UNIT as POSTGRESQL
from tomobeam_deploy.renderers.systemd import unit_name
from tomobeam_deploy.status.watch import Watched

Lag = tuple[dict[str, float], list[str]]
"""numbers by what they are, and sentences about what is not well"""
JOBS = "tomobeam_worker_active_runs"


def lag_of(watched: Watched, said: Mapping[str, Any]) -> Lag:
    """Nothing where it says nothing of the kind, or does not answer."""
    reading = _READINGS.get(watched.unit)
    return reading(watched, said) if reading else ({}, [])


def _ingester(watched: Watched, said: Mapping[str, Any]) -> Lag:
    found = _healthz(watched, said)
    if not found:
        return {}, []
    lag = {
        "oldest_unhandled_s": found["oldest_unhandled_s"],
        "waiting": found["waiting"],
        "dead_letters": found["dead_letters"],
    }
    away = [f"{p} is away for {x['for_s']:.0f} s: {x['why']}" for p, x in found["away"].items()]
    return lag, away


def _webapp(watched: Watched, said: Mapping[str, Any]) -> Lag:
    feeds = _healthz(watched, said).get("feeds", {})
    return {}, [f"hears nothing of new {name}" for name, hears in feeds.items() if not hears]


def _worker(watched: Watched, said: Mapping[str, Any]) -> Lag:
    assert watched.metrics
    text = said["addresses"][watched.metrics].get("body", "")
    values = [line.split()[1] for line in text.splitlines() if line.startswith(f"{JOBS} ")]
    return ({"jobs": float(values[0])} if values else {}), []


def _connections(watched: Watched, said: Mapping[str, Any]) -> Lag:
    """Of clients to all its ports."""
    ports = {each.url.rpartition(":")[2] for each in watched.addresses}
    return {"connections": sum(said["connections"].get(port, 0) for port in ports)}, []


def _healthz(watched: Watched, said: Mapping[str, Any]) -> dict[str, Any]:
    """What its health address says; nothing where it is no JSON."""
    [address] = watched.addresses
    try:
        return json.loads(said["addresses"][address.url].get("body", ""))
    except ValueError:
        return {}


_READINGS: dict[str, Callable[[Watched, Mapping[str, Any]], Lag]] = {
    unit_name("ingester"): _ingester,
    unit_name("worker"): _worker,
    unit_name("webapp"): _webapp,
    unit_name("broker"): _connections,
    POSTGRESQL: _connections,
}
