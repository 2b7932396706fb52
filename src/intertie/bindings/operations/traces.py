"""A tracer over OpenTelemetry's SDK. Loaded only by a gateway that exports traces."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from intertie.bindings.operations.telemetry import Ids, Tracer
from intertie.model.errors import SettingsError

try:
    from opentelemetry import context as otel_context
    from opentelemetry import trace as otel
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    INSTALLED = True
except ImportError:
    INSTALLED = False
try:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # type: ignore[import-not-found,unused-ignore]
        OTLPSpanExporter,
    )

    EXPORTER = True
except ImportError:
    EXPORTER = False

TRACEPARENT = "traceparent"
# Version 00 of the header, which is all that there is (W3C Trace Context s.3.2.2); anything else is not passed on.
_TRACEPARENT = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


class OpenTelemetry(Tracer):
    """Traces over a provider of the SDK."""

    def __init__(self, provider: Any) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("intertie")
        self._propagator = TraceContextTextMapPropagator()

    @contextmanager
    def span(self, name: str, **ids: Ids) -> Iterator[None]:
        """Around a step. Of an error only its type is kept: its text may quote a message."""
        with self._tracer.start_as_current_span(
            name, attributes=_attributes(ids), record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                yield
            except BaseException as error:
                span.set_status(otel.StatusCode.ERROR, type(error).__name__)
                raise

    @contextmanager
    def entering(self, name: str, headers: Mapping[str, str], **ids: Ids) -> Iterator[None]:
        """Around the answer to a request."""
        given = headers.get(TRACEPARENT, "")
        carrier = {TRACEPARENT: given} if _TRACEPARENT.fullmatch(given) else {}
        token = otel_context.attach(self._propagator.extract(carrier, otel_context.Context()))
        try:
            with self.span(name, **ids):
                yield
        finally:
            otel_context.detach(token)

    def headers(self) -> dict[str, str]:
        """The `traceparent` of the present span."""
        carrier: dict[str, str] = {}
        self._propagator.inject(carrier)
        return {name: value for name, value in carrier.items() if name == TRACEPARENT}

    def close(self) -> None:
        """Send what is left and end the exporter's thread."""
        self._provider.shutdown()


def exporting(endpoint: str, party: str) -> OpenTelemetry:
    """One that sends to this endpoint; SettingsError if what it needs is not installed."""
    if not INSTALLED or not EXPORTER:
        raise SettingsError(
            "[telemetry] otlp_endpoint is set, but OpenTelemetry is not installed",
            do="Install opentelemetry-sdk and opentelemetry-exporter-otlp-proto-http, or remove the setting.",
        )
    exporter = OTLPSpanExporter(endpoint=endpoint)
    return OpenTelemetry(provider_of(party, BatchSpanProcessor(exporter)))


def provider_of(party: str, processor: Any) -> Any:
    """A provider of the SDK whose spans say which gateway they are of."""
    provider = TracerProvider(resource=Resource.create({"service.name": "intertie", "intertie.party": party}))
    provider.add_span_processor(processor)
    return provider


def _attributes(ids: Mapping[str, Ids]) -> dict[str, str | int]:
    return {f"intertie.{name}": value for name, value in ids.items() if value is not None}
