"""Who speaks X12 with whom: the two ends as envelopes and N1 segments name them, and the utility's profile."""

from __future__ import annotations

import re
import tomllib
from datetime import datetime
from typing import Annotated, Any, Literal, NamedTuple
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Meta

from intertie.formats.x12.layout import Profile
from intertie.formats.x12.tree import Node, Table, table, table_of
from intertie.model.errors import SettingsError
from intertie.model.explain import why_unreadable
from intertie.model.ids import PartyName
from intertie.model.record import Record

# ISA05 and N103 for the same number: D-U-N-S, D-U-N-S with a suffix, mutually agreed.
N1_QUALIFIERS = {"01": "1", "09": "9", "14": "9", "ZZ": "92"}
# What an envelope and an N1 segment may hold.
_NUMBER = r"^[A-Za-z0-9]{2,15}(?!\n)$"
_NAME = r"^[ -~]{1,60}(?!\n)$"


# An id's 128 bits in digits and letters (carried.py).
_OF_MESSAGE = re.compile(r"[0-9A-Z]{25}")


class X12Party(Record, frozen=True, kw_only=True):
    """An end: our party, and its number (`qualifier` as in ISA05: 01 D-U-N-S, 09 or 14 with a suffix, ZZ agreed)."""

    party: PartyName
    name: Annotated[str, Meta(pattern=_NAME)]
    number: Annotated[str, Meta(pattern=_NUMBER)]
    qualifier: Literal["01", "09", "14", "ZZ"] = "01"


class Trading(Record, frozen=True, kw_only=True):
    """What two parties have agreed: profile, ends, `account` for what belongs to no customer's account, test or production."""

    profile: Literal["ny", "pa", "tx"]
    utility: X12Party
    aggregator: X12Party
    account: Annotated[str, Meta(pattern=r"^[A-Za-z0-9-]{0,30}(?!\n)$")] = ""
    usage: Literal["T", "P"] = "P"
    # Whether what comes gets a 997 from us.
    acknowledge: bool = True
    # Which sets get an 824 from us: all, only those that are refused, or none.
    advice: Literal["all", "refusals", "none"] = "all"

    def other(self, one: X12Party) -> X12Party:
        """The other end."""
        return self.aggregator if one == self.utility else self.utility


def read_trading(text: str) -> Trading:
    """The [x12] table of a TOML file, or the file itself; SettingsError says what is wrong with it."""
    try:
        data = tomllib.loads(text)
        return msgspec.convert(data.get("x12", data), Trading)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError("the X12 settings are no TOML", do="Compare docs/x12.md.") from error
    except (msgspec.ValidationError, RecursionError) as error:
        raise SettingsError(f"X12 settings: {why_unreadable(error)}", do="Compare docs/x12.md.") from error


class Call(NamedTuple):
    """One conversion: by which profile, and, to write a set, between whom and what it says of itself (BGN02, BPT02)."""

    profile: Profile
    set_id: str
    between: Trading | None = None
    reference: str = ""
    at: datetime | None = None
    original: str = ""

    @property
    def trading(self) -> Trading:
        """The two ends; SettingsError if nobody said who they are."""
        if self.between is None:
            raise SettingsError(
                "a set names its two ends, and nobody said who they are", do="See docs/x12.md."
            )
        return self.between

    @property
    def message(self) -> str:
        """The same, for sets that have no element for it: only if it is the id of a message."""
        return self.reference if _OF_MESSAGE.fullmatch(self.reference) else ""

    def value(self, name: str) -> Any:
        """A parameter of the profile for this set."""
        return self.profile.value(self.set_id, name)

    @property
    def zone(self) -> ZoneInfo:
        """The zone of its dates and times."""
        return ZoneInfo(self.value("zone"))

    @property
    def date(self) -> str:
        """The date of the set: of `at`, in the utility's zone."""
        return self.at.astimezone(self.zone).strftime("%Y%m%d") if self.at else ""


def parties(call: Call) -> Table:
    """The N1 segments: utility, then aggregator."""
    ends = (
        (call.value("utility"), call.trading.utility),
        (call.value("aggregator"), call.trading.aggregator),
    )
    return table_of([n1(role, end) for role, end in ends])


def n1(role: str, end: X12Party) -> dict[str, str]:
    """One N1 segment."""
    return {"role": role, "name": end.name, "qualifier": N1_QUALIFIERS[end.qualifier], "id": end.number}


def chunks(text: str, size: int = 80) -> list[str]:
    """A text in pieces of an element's length, none of which begins or ends with a blank if that can be had."""
    found = []
    while len(text) > size:
        end = size
        while end > 1 and (text[end - 1] == " " or text[end] == " "):
            end -= 1
        end = end if end > 1 else size
        found.append(text[:end])
        text = text[end:]
    return [*found, text] if text else found


def notes(text: str) -> Table:
    """A text as NTE segments."""
    return table_of([{"note": "GEN", "text": piece} for piece in chunks(text)])


def text_of(node: Node) -> str:
    """The text of NTE segments."""
    return "".join(table(node, "notes").column("text"))
