"""The meter of one process: counters it grows itself, numbers it looks up when somebody asks.

Importing this loads the Prometheus client; a process that does not measure never does.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final, TypeAlias

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, disable_created_metrics
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from nerava.platform.metrics.catalogue import Kind, Metric, every_metric

if TYPE_CHECKING:
    from nerava.platform.metrics.sample import Reading, Sample
    from nerava.platform.metrics.tally import Tally

log = logging.getLogger(__name__)

# Each would be one more series for every counter, and says what nobody asks.
disable_created_metrics()  # type: ignore[no-untyped-call]


_Child: TypeAlias = "Counter | Histogram"


class Meter:
    """Counts for one process and tells it in the format of Prometheus. Safe to share between threads."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._families: dict[str, Counter | Histogram] = {}
        # By series: looking one up in the client takes a lock and more time than counting.
        self._children: dict[tuple[str, tuple[str, ...]], _Child] = {}
        self._readings = _Readings()
        ProcessCollector(registry=self._registry)
        self._registry.register(self._readings)

    def add_reading(self, reading: Reading) -> None:
        """Have numbers looked up at every scrape; one that fails is left out, and the log says so."""
        self._readings.known.append(reading)

    def expect(self, metric: Metric, *labels: str) -> None:
        """Have a counter begin with 0, so that its first step is seen as one."""
        self._made(metric, labels)

    def count(self, metric: Metric, *labels: str, times: int = 1) -> None:
        """Add to a counter."""
        child = self._children.get((metric.name, labels)) or self._made(metric, labels)
        if not isinstance(child, Counter):
            raise AssertionError(f"{metric.name} is no counter")
        child.inc(times)

    def observe(self, metric: Metric, value: float, *labels: str) -> None:
        """Add a value to a histogram."""
        child = self._children.get((metric.name, labels)) or self._made(metric, labels)
        if not isinstance(child, Histogram):
            raise AssertionError(f"{metric.name} is no histogram")
        child.observe(value)

    def take(self, tally: Tally) -> None:
        """Add what one commit brought."""
        for (metric, labels), times in tally.items():
            self.count(metric, *labels, times=times)

    def exposition(self, accept: str = "") -> tuple[bytes, str]:
        """Return everything as text, and the name of its format; the newest one that `accept` knows."""
        encode, media_type = choose_encoder(accept)
        return encode(self._registry), media_type

    def _made(self, metric: Metric, labels: tuple[str, ...]) -> _Child:
        family = self._families.get(metric.name)
        if family is None:
            family = self._families.setdefault(metric.name, self._family_of(metric))
        child = family.labels(*labels) if metric.labels else family
        return self._children.setdefault((metric.name, labels), child)

    def _family_of(self, metric: Metric) -> Counter | Histogram:
        if metric.kind is Kind.HISTOGRAM:
            return Histogram(
                metric.name, metric.meaning, metric.labels, buckets=metric.buckets, registry=self._registry
            )
        return Counter(metric.name, metric.meaning, metric.labels, registry=self._registry)


class _Readings(Collector):
    """Brings what is looked up into the client's form, in the order of the catalogue."""

    def __init__(self) -> None:
        self.known: list[Reading] = []

    def describe(self) -> Sequence[CounterMetricFamily]:
        """Return nothing: to be asked before the first scrape would mean to look everything up."""
        return ()

    def collect(self) -> Iterable[CounterMetricFamily | GaugeMetricFamily]:
        """Look everything up."""
        found: dict[Metric, list[Sample]] = {}
        for reading in self.known:
            try:
                for sample in reading():
                    found.setdefault(sample.metric, []).append(sample)
            except Exception:
                log.exception("a reading failed")
        for metric in _ORDER:
            if metric in found:
                yield _family(metric, found[metric])


_ORDER: Final = every_metric()


def _family(metric: Metric, samples: Iterable[Sample]) -> CounterMetricFamily | GaugeMetricFamily:
    kind = CounterMetricFamily if metric.kind is Kind.COUNTER else GaugeMetricFamily
    family = kind(metric.name, metric.meaning, labels=metric.labels)
    for sample in samples:
        family.add_metric(sample.labels, sample.value)
    return family
