"""What Prometheus may know."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram

STEPS = ("decide", "register", "answer")
_BUCKETS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)


class Metrics:
    """The ingester's counters."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        def counter(name: str, text: str, labels: tuple[str, ...] = ()) -> Counter:
            return Counter(f"tomobeam_ingester_{name}", text, labels, registry=registry)

        self.received = counter("received", "Messages received, redeliveries included")
        self.hints = counter("hints", "Messages acknowledged because writing goes on")
        self.stacks = counter("stacks", "Stacks by what registering did", ("change",))
        self.dead = counter("dead", "Messages put among the dead letters", ("reason",))
        self.refused = counter("catch_up_refused", "Stacks that a scan found wanting", ("reason",))
        self.faults = counter("faults", "Attempts that a partner's absence stopped", ("part",))
        self.reconnects = counter("broker_connections", "Connections made to the broker")
        self.step_seconds = Histogram(
            "tomobeam_ingester_step_seconds",
            "Time per step",
            ("step",),
            buckets=_BUCKETS,
            registry=registry,
        )
        self._registry = registry

    def dead_letters(self) -> int:
        """Messages put among the dead letters so far, whatever the reason."""
        (family,) = self.dead.collect()
        return sum(int(s.value) for s in family.samples if s.name.endswith("_total"))

    def watch(self, name: str, text: str, read: Callable[[], float]) -> None:
        """Publish a value that is read when asked for."""
        gauge = Gauge(f"tomobeam_ingester_{name}", text, registry=self._registry)
        gauge.set_function(read)
