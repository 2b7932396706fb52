"""`intertie x12 write`: a message as an interchange."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from intertie.cli._shared import read_file, write_file
from intertie.cli._x12 import Between, read_between
from intertie.formats.x12 import sets as x12_sets
from intertie.model.documents import read_message
from intertie.model.errors import SettingsError
from intertie.model.message import Header

# BGN02 and BPT02 have 30 characters; a message's id has 32 digits, the last of them random.
REFERENCE_DIGITS = 30


def write(
    message: Path,
    /,
    *,
    between: Between,
    control: Annotated[int, Parameter(help="The number of the interchange (ISA13): one more each time.")] = 1,
    output: Annotated[
        Path | None,
        Parameter(name=["--output", "-o"], help="The file to write; must not exist (default: stdout)."),
    ] = None,
) -> None:
    """Write a message (header and body, as JSON) as an X12 interchange, dated as the message is.

    What the set has no place for is refused, not left out.

    Example:

        intertie x12 write message.json --between ends.toml --control 12 -o invoice.x12
    """
    header, body = read_message(read_file(message))
    trading = read_between(between)
    ends = {trading.utility.party: trading.utility, trading.aggregator.party: trading.aggregator}
    sender = ends.get(header.sender)
    if sender is None or header.recipient not in ends:
        raise SettingsError(
            f"the message is from {header.sender} to {header.recipient}",
            do="Name these two in the file of --between.",
        )
    made = x12_sets.write_document(
        body, trading, reference=reference(header), at=header.created, original=original(header)
    )
    data = x12_sets.write_file([made], trading, sender, control=control, at=header.created)
    if output is None:
        sys.stdout.write(data.decode("ascii"))
    else:
        write_file(output, data)


def reference(header: Header) -> str:
    """The set's own reference: the message's id, as far as it goes."""
    return header.id.replace("-", "")[:REFERENCE_DIGITS]


def original(header: Header) -> str:
    """The reference of what it answers."""
    return (header.in_reply_to or "").replace("-", "")[:REFERENCE_DIGITS]
