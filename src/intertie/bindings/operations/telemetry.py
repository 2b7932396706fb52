"""Traces by OpenTelemetry, where it is installed and configured; without it every call here does nothing.

The context goes from gateway to gateway in the `traceparent` header (W3C Trace Context). A span has the names of steps and
the ids that logs have: nothing of what a message says. Where OpenTelemetry is not installed nothing is missing.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext

from intertie.gateway.configuration.settings import Telemetry

# What speaks to OpenTelemetry; by name, because no command traces and few gateways do.
TRACES = "intertie.bindings.operations.traces"
Ids = str | int | None
_NOTHING: AbstractContextManager[None] = nullcontext()


class Tracer:
    """No traces."""

    def span(self, name: str, **ids: Ids) -> AbstractContextManager[object]:
        """Around a step; inside another span it becomes its child."""
        return _NOTHING

    def entering(self, name: str, headers: Mapping[str, str], **ids: Ids) -> AbstractContextManager[object]:
        """Around the answer to a request: the span of the caller, if it sent one, is the parent."""
        return _NOTHING

    def headers(self) -> dict[str, str]:
        """What a request within the present span carries."""
        return {}

    def close(self) -> None:
        """Send what is left."""


def open_tracer(settings: Telemetry, party: str) -> Tracer:
    """The tracer that the settings ask for; SettingsError if what it needs is not installed."""
    if not settings.otlp_endpoint:
        return Tracer()
    tracer: Tracer = importlib.import_module(TRACES).exporting(settings.otlp_endpoint, party)
    return tracer
