"""What the server counts of itself, for Prometheus: nothing of it says who asked what."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from seqrec_lib.serving.batching import Batcher
from seqrec_lib.serving.served import Answer

SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)
SIZES = (1, 2, 4, 8, 16, 32, 64, 128)


class Telemetry:
    """Counters of one server, apart from those of any other in the process."""

    def __init__(self, batchers: Mapping[str, Batcher]):
        self._registry = own = CollectorRegistry()
        self._of = cache(lambda metric, *labels: metric.labels(*labels))  # labels() looks for long
        self._requests = Counter(
            "seqrec_requests", "Requests by path and status.", ("path", "status"), registry=own
        )
        self.seconds = Histogram(
            "seqrec_seconds", "Seconds an answer took, by part.", ("model", "part"),
            buckets=SECONDS, registry=own,
        )  # fmt: skip
        self.together = Histogram(
            "seqrec_batch", "Questions answered together.", ("model",), buckets=SIZES, registry=own
        )
        self.unknown = Counter(
            "seqrec_unknown_items", "Events of items that the model does not know.", ("model",),
            registry=own,
        )  # fmt: skip
        self.cold = Counter(
            "seqrec_cold", "Histories without an item that the model knows.", ("model",),
            registry=own,
        )  # fmt: skip
        waiting = Gauge("seqrec_waiting", "Questions that wait.", ("model",), registry=own)
        loaded = Gauge("seqrec_model", "Models that answer.", ("model", "digest"), registry=own)
        for name, batcher in batchers.items():
            waiting.labels(name).set_function(lambda one=batcher: len(one))  # type: ignore[misc]
            loaded.labels(name, batcher.served.digest).set(1)

    def told(self, path: str, status: int) -> None:
        """A request was answered with this status."""
        self._of(self._requests, path, status).inc()

    def answered(self, answer: Answer) -> None:
        for part, ms in answer.ms.items():
            self._of(self.seconds, answer.model, part).observe(ms / 1000)
        self._of(self.together, answer.model).observe(answer.together)
        self._of(self.unknown, answer.model).inc(answer.unknown)
        self._of(self.cold, answer.model).inc(answer.known == 0)

    def text(self) -> bytes:
        """All of it in Prometheus's text format."""
        return generate_latest(self._registry)
