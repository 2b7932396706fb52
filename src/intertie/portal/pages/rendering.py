"""Templates become pages: autoescaped always, with the filters that show times, sizes and states the same everywhere."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from intertie.portal.pages.static import static_url

# How a state looks: bad wants somebody, good is done, open is under way.
_TONES = {
    "bad": {
        "refused",
        "expired",
        "dead",
        "failed",
        "disputed",
        "overdue",
        "suspended",
        "unknown",
        "void",
        "bad",
        "late",
    },
    "good": {
        "accepted",
        "live",
        "paid",
        "done",
        "good",
        "ok",
        "in_force",
        "equal",
        "verified",
        "settled",
        "resolved",
        "granted",
        "proven",
    },
    "open": {
        "queued",
        "sending",
        "open",
        "testing",
        "pending",
        "waiting",
        "proposed",
        "partial",
        "warn",
        "due",
    },
}


def environment() -> Environment:
    """The templates of the portal."""
    env = Environment(
        loader=PackageLoader("intertie.portal", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    env.filters.update(
        when=when,
        span=span,
        tone=tone,
        kw=kw,
        size=size,
        plain=plain,
        ago=ago,
        short=short,
        number=number,
        flow=flow,
    )
    env.globals["static"] = static_url
    return env


def when(at: datetime | None, none: str = "–") -> Markup | str:
    """A time in UTC, which the script shows in the viewer's zone with UTC on hover."""
    if at is None:
        return none
    utc = at.astimezone(UTC)
    return Markup('<time datetime="{}" title="{} UTC"><span class="date">{}</span> {} UTC</time>').format(
        utc.strftime("%Y-%m-%dT%H:%M:%SZ"),
        utc.strftime("%Y-%m-%d %H:%M:%S"),
        utc.strftime("%Y-%m-%d"),
        utc.strftime("%H:%M"),
    )


def span(length: timedelta | float | None) -> str:
    """A length of time in at most two units."""
    if length is None:
        return "–"
    seconds = length.total_seconds() if isinstance(length, timedelta) else float(length)
    sign, seconds = ("−", -seconds) if seconds < 0 else ("", seconds)
    if seconds < 10:
        return f"{sign}{seconds:.1f} s"
    parts = []
    rest = round(seconds)
    for unit, many in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        count, rest = divmod(rest, many)
        if count:
            parts.append(f"{count} {unit}")
    return sign + " ".join(parts[:2])


def ago(at: datetime | None, now: datetime) -> Markup | str:
    """How long ago, with the time on hover."""
    if at is None:
        return "–"
    text = f"in {span(at - now)}" if at > now else f"{span(now - at)} ago"
    return Markup('<span title="{} UTC">{}</span>').format(
        at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S"), text
    )


def tone(state: object) -> str:
    """bad, good, open, or plain."""
    word = str(getattr(state, "value", state)).lower()
    return next((tone for tone, words in _TONES.items() if word in words), "plain")


def kw(value: object) -> str:
    """A power with its unit, which stays on its line."""
    return f"{number(value)}\N{NO-BREAK SPACE}kW"


def number(value: object) -> str:
    """A number as it was given, without an exponent or trailing zeros of a decimal."""
    if value is None:
        return "–"
    if isinstance(value, Decimal):
        text = format(value, "f")
        return text.rstrip("0").rstrip(".") if "." in text else text
    return f"{value:,}" if isinstance(value, int) else str(value)


def size(count: int) -> str:
    """Bytes, readable."""
    value, unit = float(count), "bytes"
    for unit in ("bytes", "kB", "MB", "GB"):
        if value < 1000 or unit == "GB":
            break
        value /= 1000
    return f"{value:.0f} {unit}" if unit == "bytes" else f"{value:.1f} {unit}"


def plain(word: object) -> str:
    """A word of the vocabulary as a person reads it."""
    return str(getattr(word, "value", word)).replace("_", " ")


def flow(name: str) -> str:
    """The name of a flow (`DA/outage_notice.real_time`) as a person reads it."""
    interface, _, rest = name.partition("/")
    document, _, mode = rest.rpartition(".")
    return f"{plain(document)}, {plain(mode)} ({interface})" if document else plain(name)


def short(text: object, length: int = 13) -> str:
    """The first characters of an id."""
    return str(text)[:length]


_ENVIRONMENT = environment()


def render(template: str, context: Mapping[str, Any]) -> str:
    """The page."""
    return _ENVIRONMENT.get_template(template).render(context)
