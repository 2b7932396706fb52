"""Searching messages, the same in every engine: which index leads, where a page's work ends, and what is asked of a row.

A page looks at no more than `scan` rows of the index that leads. So a filter that nearly nothing passes costs a short page
and not a walk through everything; the reader is told how far it looked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from intertie.exchange.dead_letters import DEAD
from intertie.gateway.ports import MessageRow, Search
from intertie.stores.rows import MESSAGE_COLUMNS, MESSAGE_FROM, micros

PARTNER = "CASE m.outgoing WHEN 1 THEN m.recipient ELSE m.sender END"
# Rows looked at before all that may be are: the first page of most searches is among them.
FIRST_SCAN = 2_000
# Seqs follow the clock but for the time by which it was ever set back; further off, a time filter could miss a message.
CLOCK_SLACK_MICROS = 3 * 3600 * 1_000_000
# What words may stand in.
TEXT = (
    "m.id",
    "m.document",
    "m.interface",
    "m.sender",
    "m.recipient",
    "m.conversation",
    "m.agreement",
    "m.detail",
)

Row = tuple[Any, ...]
# Runs a statement with named values.
Ask = Callable[[str, dict[str, Any]], Iterable[Row]]


class Dialect(NamedTuple):
    """How an engine writes what is not the same everywhere."""

    value: Callable[[str], str]  # a named value
    place: str  # the function that finds a text (second) in another (first)
    sources: Callable[[str], str]  # messages AS m, led by this index; "" for the order of seq


class _Lead(NamedTuple):
    """The condition that an index answers, in the order of seq, and its name."""

    name: str
    where: str


def leading(wanted: Search) -> Search:
    """What of it an index answers: of those there are, the one that leads to the fewest messages."""
    if wanted.message is not None:
        return Search(message=wanted.message)
    if wanted.parcel is not None:
        return Search(parcel=wanted.parcel)
    if wanted.conversation is not None:
        return Search(conversation=wanted.conversation)
    if wanted.states is not None and wanted.outgoing is not False and set(wanted.states) <= set(DEAD):
        return Search(outgoing=True, states=DEAD)
    if wanted.partner is not None:
        return Search(partner=wanted.partner)
    if wanted.document is not None and wanted.outgoing is not None:
        return Search(document=wanted.document, outgoing=wanted.outgoing)
    return Search()


def _lead(wanted: Search, mark: Callable[[str], str]) -> _Lead:
    """The index of `leading`, and its condition."""
    lead = leading(wanted)
    if lead.message is not None:
        return _Lead("messages_id", f"m.id = {mark('message')}")
    if lead.parcel is not None:
        parcels = f"SELECT number FROM parcels WHERE id = {mark('parcel')}"  # noqa: S608
        return _Lead("messages_parcel", f"m.parcel IN ({parcels})")
    if lead.conversation is not None:
        return _Lead("messages_conversation", f"m.conversation = {mark('conversation')}")
    if lead.states is not None:  # the index's own condition, to the letter
        return _Lead("messages_dead", "m.outgoing = 1 AND m.state IN ('refused', 'expired', 'failed')")
    if lead.partner is not None:
        return _Lead("messages_partner", f"{PARTNER} = {mark('partner')}")
    if lead.document is not None:
        return _Lead(
            "messages_document", f"m.document = {mark('document')} AND m.outgoing = {mark('outgoing')}"
        )
    return _Lead("", "true")


def _conditions(wanted: Search, dialect: Dialect) -> tuple[list[str], dict[str, Any]]:
    """What every row must meet."""
    mark = dialect.value
    where: list[str] = []
    values: dict[str, Any] = {}
    for name, column, value in (
        ("outgoing", "m.outgoing", None if wanted.outgoing is None else int(wanted.outgoing)),
        ("partner", PARTNER, wanted.partner),
        ("interface", "m.interface", wanted.interface),
        ("document", "m.document", wanted.document),
        ("agreement", "m.agreement", wanted.agreement),
        ("conversation", "m.conversation", wanted.conversation),
        ("message", "m.id", wanted.message),
    ):
        if value is not None:
            where.append(f"{column} = {mark(name)}")
            values[name] = value
    if wanted.parcel is not None:
        where.append(f"p.id = {mark('parcel')}")
        values["parcel"] = wanted.parcel
    if wanted.states is not None:
        names = {f"state{place}": state.value for place, state in enumerate(wanted.states)}
        where.append(f"m.state IN ({', '.join(map(mark, names)) or 'NULL'})")
        values |= names
    for name, sign, at in (("since", ">=", wanted.since), ("until", "<", wanted.until)):
        if at is not None:
            where.append(f"m.at {sign} {mark(name)}")
            values[name] = micros(at)
    for place, word in enumerate(wanted.words):
        values[f"word{place}"] = word.lower()
        texts = (f"{dialect.place}(lower({column}), {mark(f'word{place}')}) > 0" for column in TEXT)
        where.append(f"({' OR '.join(texts)})")
    return where, values


def search(ask: Ask, wanted: Search, dialect: Dialect) -> tuple[list[Row], int | None]:
    """Rows of MESSAGE_COLUMNS, and where to go on; as `SearchStore.search`."""
    mark = dialect.value
    if any(
        "\0" in word for word in wanted.words
    ):  # stands in no text that is kept, and PostgreSQL cannot be asked for it
        return [], None
    lead = _lead(wanted, mark)
    where, values = _conditions(wanted, dialect)
    low, high = _bounds(ask, wanted, dialect)
    found: list[Row] = []
    left = wanted.scan
    for most in (min(FIRST_SCAN, wanted.scan), wanted.scan):
        values |= {"low": low, "high": high, "scan": min(most, left)}
        within = f"{lead.where} AND m.seq >= {mark('low')} AND m.seq < {mark('high')}"
        end, looked = _reach(ask, f"{dialect.sources(lead.name)} WHERE {within}", values, mark)
        if not looked:
            return found, None
        values |= {"end": end, "limit": wanted.limit - len(found)}
        sources = MESSAGE_FROM.replace("messages AS m", dialect.sources(lead.name))
        conditions = [lead.where, f"m.seq >= {mark('end')}", f"m.seq < {mark('high')}", *where]
        sql = f"""SELECT {MESSAGE_COLUMNS} FROM {sources} WHERE {" AND ".join(conditions)}
            ORDER BY m.seq DESC LIMIT {mark("limit")}"""  # noqa: S608 - constants
        found += ask(sql, values)
        if len(found) >= wanted.limit:
            return found, found[-1][0]
        if looked < values["scan"]:
            return found, None
        high, left = end, left - looked
        if left <= 0:
            break
    return found, high


def _reach(ask: Ask, source: str, values: dict[str, Any], mark: Callable[[str], str]) -> tuple[int, int]:
    """The oldest seq among the rows that may be looked at, and how many they are."""
    sql = f"""SELECT min(seq), count(*) FROM
        (SELECT m.seq FROM {source} ORDER BY m.seq DESC LIMIT {mark("scan")}) AS looked"""  # noqa: S608
    end, looked = next(iter(ask(sql, values)))
    return (end or 0), looked


def _bounds(ask: Ask, wanted: Search, dialect: Dialect) -> tuple[int, int]:
    """The seqs between which everything wanted lies: least, and first that is not."""
    newest = next(iter(ask("SELECT coalesce(max(m.seq), 0) FROM messages AS m", {})))[0]
    high = newest + 1 if wanted.before is None else min(wanted.before, newest + 1)
    low = 1
    if wanted.since is not None:
        low = _first_at(ask, micros(wanted.since) - CLOCK_SLACK_MICROS, low, high, dialect)
    if wanted.until is not None:
        high = _first_at(ask, micros(wanted.until) + CLOCK_SLACK_MICROS, low, high, dialect)
    return low, high


def _first_at(ask: Ask, moment: int, low: int, high: int, dialect: Dialect) -> int:
    """The first seq of [low, high) whose message was kept at this moment (microseconds) or later, by halves; high if none was."""
    mark = dialect.value
    sql = f"SELECT m.at FROM messages AS m WHERE m.seq >= {mark('seq')} ORDER BY m.seq LIMIT 1"  # noqa: S608
    while low < high:
        middle = (low + high) // 2
        row = next(iter(ask(sql, {"seq": middle})), None)
        if row is None or row[0] >= moment:
            high = middle
        else:
            low = middle + 1
    return low


def fits(row: MessageRow, partner: str, wanted: Search) -> bool:
    """Whether a row is wanted: the same conditions, for the store in memory."""
    texts = (
        row.id,
        row.document,
        row.interface,
        row.sender,
        row.recipient,
        row.conversation,
        row.agreement,
        row.detail,
    )
    lowered = [text.lower() for text in texts if text]
    return (
        wanted.outgoing in (None, row.outgoing)
        and wanted.partner in (None, partner)
        and wanted.interface in (None, row.interface)
        and wanted.document in (None, row.document)
        and wanted.agreement in (None, row.agreement)
        and wanted.conversation in (None, row.conversation)
        and wanted.message in (None, row.id)
        and wanted.parcel in (None, row.parcel)
        and (wanted.states is None or row.state in wanted.states)
        and (wanted.since is None or row.at >= wanted.since)
        and (wanted.until is None or row.at < wanted.until)
        and all(any(word.lower() in text for text in lowered) for word in wanted.words)
    )
