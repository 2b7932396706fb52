"""Lines of many meters as a table: what one process, a pool and a cluster each make of rows of readings, the same bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from intertie.formats.many_job import text_of
from intertie.formats.many_loads import Loads, loads_of, rows_of
from intertie.market.block_payment import Amount
from intertie.market.blocks import Block
from intertie.market.many import Customer, Programme, Settled, settle_many
from intertie.market.payment import UNITS, rate_of
from intertie.market.type_one import USED

LINES = pa.schema(
    [
        ("meter", pa.string()),
        ("line", pa.int32()),  # from one, for each meter
        ("code", pa.string()),
        ("dispatch", pa.string()),  # null: of the month
        ("quantity", pa.int64()),  # thousandths of the unit
        ("unit", pa.string()),
        ("rate", pa.string()),
        ("amount", pa.int64()),  # cents
        ("note", pa.string()),
        (
            "sources",
            pa.list_(pa.field("element", pa.string())),
        ),  # ids of the messages that the readings came in
        ("inputs", pa.string()),  # SHA-256 of all that the meter's lines were made from
    ]
)
NO_BASELINE, CAPPED = "no baseline", "up to the month's cap"
# A reading outside this needs eight bytes of its hash; almost none does.
NARROW, FOUR_BYTES = 4, 2**31


class Ask(NamedTuple):
    """Which meters, by which rules; `known` has the inputs of lines that are there already: such a meter makes no lines."""

    programme: Programme
    about: bytes  # the job without its meters
    customers: Sequence[Customer]
    known: Mapping[str, str] = {}


def settle_table(table: Any, ask: Ask) -> Any:
    """Lines of all customers from rows of readings in any order; the table holds all rows of each. Raises IntertieError."""
    programme = ask.programme
    loads = loads_of(
        table,
        [one.meter for one in ask.customers],
        programme.begins,
        programme.days,
        programme.zone,
        programme.step_minutes,
    )
    inputs = inputs_of(loads, ask)
    new = [i for i, one in enumerate(ask.customers) if ask.known.get(one.meter) != inputs[i]]
    if not new:
        return LINES.empty_table()
    if len(new) < len(inputs):
        loads = rows_of(loads, new)
    customers = [ask.customers[i] for i in new]
    settled = settle_many(loads.net, programme, customers)
    return lines_of(loads, settled, programme, [inputs[i] for i in new])


def inputs_of(loads: Loads, ask: Ask) -> list[str]:
    """For each meter a hash of the job, its own terms, and its readings with quality and revision."""
    found = []
    net = loads.net
    for_all = _bytes_of(net.values)
    values = net.values.astype(f"<i{for_all}")
    present = np.packbits(net.present.reshape(len(net.meters), -1), axis=1) if net.meters else net.present
    about = sha256(ask.about).digest()
    for row, said in enumerate(text_of(ask.customers)):
        made = sha256(about)
        made.update(said)
        # a meter's hash does not depend on those beside it
        width = for_all if for_all == NARROW else _bytes_of(values[row])
        made.update(values[row].astype(f"<i{width}", copy=False).tobytes())
        made.update(bytes([width]))
        made.update(present[row].tobytes())
        for part in loads.parts:
            made.update(part.quality[row].tobytes())
            made.update(part.revision[row].astype("<i4").tobytes())
        found.append(made.hexdigest())
    return found


def _bytes_of(values: Any) -> int:
    """How many bytes each needs."""
    most = max(abs(int(values.max())), abs(int(values.min()))) if values.size else 0
    return NARROW if most < FOUR_BYTES else 8


def lines_of(loads: Loads, settled: Settled, programme: Programme, inputs: Sequence[str]) -> Any:
    """All meters' lines, each meter's together and in the order of a statement."""
    amounts = settled.month.amounts
    keep = np.stack([_kept(one, settled) for one in amounts], axis=1)
    meter, which = np.nonzero(keep)
    line = np.cumsum(keep, axis=1)[keep]
    quantity, cents = (
        np.stack([np.asarray(getattr(one, name), np.int64) for one in amounts], axis=1)[keep]
        for name in ("quantity", "cents")
    )
    codes = [one.code for one in amounts]
    calls = [None if one.event < 0 else programme.calls[one.event].name for one in amounts]
    columns = [
        _taken(loads.net.meters, meter),
        pa.array(line, pa.int32()),
        _taken(codes, which),
        _taken(calls, which),
        pa.array(quantity, pa.int64()),
        _taken([UNITS[code] for code in codes], which),
        _taken([f"{rate_of(code, programme.terms):f}" for code in codes], which),
        pa.array(cents, pa.int64()),
        _notes(amounts, settled, keep),
        _sources(loads, settled, meter, which),
        _taken(inputs, meter),
    ]
    return pa.table(columns, schema=LINES)


def _kept(amount: Amount, settled: Settled) -> Any:
    """A penalty of nothing is none, and a call is no line of a meter that took no part."""
    if amount.code == "PEN":
        return np.asarray(amount.cents != 0, np.bool_)
    if amount.event < 0:
        return np.ones(len(amount.cents), np.bool_)
    counts = settled.events[amount.event].counts
    return np.ones(len(amount.cents), np.bool_) if counts is None else counts


def _taken(texts: Sequence[str | None], places: Any) -> Any:
    return pa.array(texts, pa.string()).take(pa.array(places))


def _notes(amounts: Sequence[Amount], settled: Settled, keep: Any) -> Any:
    """What a person should know of a line; empty for most."""
    notes = np.full(keep.shape, "", object)
    for column, amount in enumerate(amounts):
        if amount.event < 0:
            continue
        event = settled.events[amount.event]
        for row in np.flatnonzero(np.asarray(event.missing > 0, np.bool_)):
            notes[row, column] = f"{int(event.missing[row])} intervals without a reading"
        notes[~np.asarray(event.settled, np.bool_), column] = NO_BASELINE
        if amount.capped is not None:
            notes[np.asarray(amount.capped, np.bool_), column] = CAPPED
    return pa.array(notes[keep], pa.string())


def _sources(loads: Loads, settled: Settled, meter: Any, which: Any) -> Any:
    """For each line the messages of the days used and of the event; of the month, those of all its events."""
    texts = sorted({text for part in loads.parts for text in part.messages})
    if not texts:
        nothing = pa.array(np.zeros(len(meter) + 1, np.int32))
        return pa.ListArray.from_arrays(nothing, pa.array([], pa.string()), type=LINES.field("sources").type)
    of_event = [_of_event(loads, texts, place, settled) for place in range(len(settled.looked))]
    whole = np.concatenate(of_event, axis=1) if of_event else np.full((len(loads.net.meters), 0), -1)
    events = [one.event for one in settled.month.amounts]
    chosen = {place: _distinct(whole if place < 0 else of_event[place]) for place in set(events)}
    place_of = np.array(events)[which]
    lengths, flat = np.zeros(len(meter), np.int64), [np.empty(0, np.int64)] * len(meter)
    for at, (row, place) in enumerate(zip(meter.tolist(), place_of.tolist(), strict=True)):
        flat[at] = chosen[place][row]
        lengths[at] = len(flat[at])
    ends = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    named = pa.array(texts, pa.string()).take(
        pa.array(np.concatenate(flat) if flat else np.empty(0, np.int64))
    )
    return pa.ListArray.from_arrays(pa.array(ends), named, type=LINES.field("sources").type)


def _of_event(loads: Loads, texts: Sequence[str], place: int, settled: Settled) -> Any:
    """Meters x days: the place of each day's message in `texts`, -1 for a day that is not used."""
    looked, net = settled.looked[place], loads.net
    columns: list[tuple[int | None, int | None]] = [(net.place_of(looked.event.day), None)]
    columns += [(net.place_of(one.day), at) for at, one in enumerate(looked.candidates)]
    found = []
    for part in loads.parts:
        names = _renumbered(part, texts)
        for day, at in columns:
            if day is None:
                continue
            said = names[part.source[:, day]]
            found.append(
                said if at is None else np.where(looked.expected.choice.codes[:, at] == USED, said, -1)
            )
    return np.stack(found, axis=1)


def _renumbered(part: Block, texts: Sequence[str]) -> Any:
    """For each message of a block its place in `texts`; the last, which -1 reaches, is none."""
    place = {text: at for at, text in enumerate(texts)}
    return np.array([*(place[one] for one in part.messages), -1], np.int64)


def _distinct(numbers: Any) -> list[Any]:
    """For each row its numbers, ascending and once, without -1."""
    ordered = np.sort(numbers, axis=1)
    fresh = np.ones(ordered.shape, np.bool_)
    fresh[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    fresh &= ordered >= 0
    ends = np.cumsum(fresh.sum(axis=1))
    return np.split(ordered[fresh], ends[:-1])
