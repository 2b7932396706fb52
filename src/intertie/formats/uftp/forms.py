"""The forms of UFTP's attributes (common.xsd, agrdso.xsd): each is read strictly and written one way."""

from __future__ import annotations

import base64
import binascii
import re
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum, StrEnum

from intertie.formats.uftp.codec import XML_BYTES_MAX, Form

# Power in W: a terawatt is more than any congestion point has, and keeps series inside 48 bits.
POWER_MAX = 10**12
# ISPs of a day: 25 hours of one minute.
ISPS_MAX = 1500
_UUID = r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"
_TIME = r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{0,9})?([+-]\d{2}:\d{2}|Z)"


class Role(StrEnum):
    """A USEF role."""

    AGR = "AGR"
    CRO = "CRO"
    DSO = "DSO"


class Result(StrEnum):
    """What a response says."""

    ACCEPTED = "Accepted"
    REJECTED = "Rejected"


class Disposition(StrEnum):
    """Of an ISP of a request: room that there is, or flexibility that is asked for."""

    AVAILABLE = "Available"
    REQUESTED = "Requested"


class SettlementDisposition(StrEnum):
    """What an aggregator says to the settlement of an order."""

    ACCEPTED = "Accepted"
    DISPUTED = "Disputed"


def _matching(pattern: str, what: str) -> Form:
    compiled = re.compile(pattern)

    def read(text: str) -> str:
        if not compiled.fullmatch(text):
            raise ValueError(f"not {what}")
        return text

    return Form(read, str)


def _integer(least: int, most: int) -> Form:
    def read(text: str) -> int:
        if not re.fullmatch(r"[+-]?\d{1,19}", text, re.ASCII):
            raise ValueError("not a whole number")
        value = int(text)
        if not least <= value <= most:
            raise ValueError(f"not between {least} and {most}")
        return value

    return Form(read, str)


def _decimal(places: int, least: Decimal, most: Decimal) -> Form:
    def read(text: str) -> Decimal:
        if not re.fullmatch(r"[+-]?(\d{1,15}(\.\d{0,12})?|\.\d{1,12})", text, re.ASCII):
            raise ValueError("not a decimal number")
        value = Decimal(text)
        if value != round(value, places):
            raise ValueError(f"more than {places} decimal places")
        if not least <= value <= most:
            raise ValueError(f"not between {least} and {most}")
        return value

    return Form(read, lambda value: f"{value:f}")


def _enum(kind: type[Enum]) -> Form:
    return Form(kind, lambda value: str(value.value))


def _time(text: str) -> datetime:
    if not re.fullmatch(_TIME, text, re.ASCII):
        raise ValueError("not a time with its offset")
    # Python has microseconds: what is finer is cut off.
    return datetime.fromisoformat(re.sub(r"\.(\d{0,6})\d*", lambda m: f".{m[1]:0<6}", text))


def _minutes(text: str) -> timedelta:
    found = re.fullmatch(r"PT(\d{1,4})M|PT(\d{1,2})H", text, re.ASCII)
    if not found or not (length := timedelta(minutes=int(found[1] or 0), hours=int(found[2] or 0))):
        raise ValueError("not a duration in minutes, as PT15M")
    return length


def _flag(text: str) -> bool:
    if text not in ("true", "false", "1", "0"):
        raise ValueError("neither true nor false")
    return text in ("true", "1")


def _day(text: str) -> date:
    # An xs:date may carry an offset; the zone of the message says more.
    found = re.fullmatch(r"(\d{4}-\d{2}-\d{2})(Z|[+-]\d{2}:\d{2})?", text, re.ASCII)
    if not found:
        raise ValueError("not a date")
    return date.fromisoformat(found[1])


def _base64(text: str) -> bytes:
    try:
        return base64.b64decode(re.sub(r"\s", "", text), validate=True)
    except binascii.Error as error:
        raise ValueError("not base64") from error


TEXT = Form(str, str)
UUID = Form(lambda text: _matching(_UUID, "a UUID").read(text).lower(), str)
VERSION = _matching(r"\d+\.\d+\.\d+", "a version as 3.0.0")
DOMAIN = _matching(r"([a-z0-9]+(-[a-z0-9]+)*\.)+[a-z]{2,}", "a domain name")
ADDRESS = _matching(r"ea1\.[0-9]{4}-[0-9]{2}\..{1,244}:.{1,244}|ean\.[0-9]{12,34}", "an entity address")
ZONE = _matching(r"(Africa|America|Australia|Europe|Pacific)/[a-zA-Z0-9_/]{3,}", "a time zone")
CURRENCY = _matching(r"[A-Z]{3}", "a currency")
TIME = Form(_time, lambda at: at.isoformat().replace("+00:00", "Z"))
DAY = Form(_day, date.isoformat)
MINUTES = Form(_minutes, lambda length: f"PT{length // timedelta(minutes=1)}M")
POWER = _integer(-POWER_MAX, POWER_MAX)
LONG = _integer(-(2**63), 2**63 - 1)
ISP = _integer(1, ISPS_MAX)
AMOUNT = _decimal(4, -(Decimal(10) ** 12), Decimal(10) ** 12)
FACTOR = _decimal(2, Decimal("0.01"), Decimal(1))
FLAG = Form(_flag, lambda value: str(value).lower())
BASE64 = Form(_base64, lambda raw: base64.b64encode(raw).decode(), XML_BYTES_MAX)
ROLE, RESULT = _enum(Role), _enum(Result)
DISPOSITION, SETTLEMENT = _enum(Disposition), _enum(SettlementDisposition)
