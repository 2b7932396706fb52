"""`intertie x12 check`: everything that is wrong with an interchange, each with its place; and its 997."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from intertie.bindings.clock import system_clock
from intertie.cli._shared import Json, print_json, read_file, write_file
from intertie.cli._x12 import Between, ProfileName, finding_data, print_findings, read_between
from intertie.formats.x12 import sets as x12_sets
from intertie.formats.x12.answers import answer_syntax, judge
from intertie.formats.x12.findings import Finding, X12Error
from intertie.formats.x12.interchange import Reader, TransactionSet
from intertie.formats.x12.layout import profile as load_profile
from intertie.formats.x12.trading import Trading
from intertie.model.errors import SettingsError


def check(
    file: Path,
    /,
    *,
    profile: ProfileName = "ny",
    answer: Annotated[
        Path | None, Parameter(name="--answer", help="Write the 997 to this file; needs --between.")
    ] = None,
    between: Between | None = None,
    control: Annotated[int, Parameter(help="The number of the answer's interchange.")] = 1,
    json: Json = False,
) -> int:
    """List what is wrong with the syntax of an interchange, by segment and element. Exit code 1 if anything is.

    Example:

        intertie x12 check invoice.x12 --profile tx
        intertie x12 check invoice.x12 --answer answer.x12 --between ends.toml --control 8
    """
    by = load_profile(profile)
    read: list[TransactionSet] = []
    found: list[tuple[str, Finding]] = []
    try:
        for one in Reader([read_file(file)]):
            read.append(one)
            found += [(one.control, finding) for finding in judge(one, by).findings]
    except X12Error as error:
        found += [("", finding) for finding in error.findings]
    if answer is not None:
        if between is None:
            raise SettingsError("a 997 names its two ends", do="Give --between a file (docs/x12.md).")
        write_file(answer, _answer(read, read_between(between), profile, control))
    if json:
        data = [{"set": control, **finding_data(finding)} for control, finding in found]
        print_json({"sets": len(read), "findings": data})
    else:
        print_findings(found)
    return int(bool(found))


def _answer(read: list[TransactionSet], trading: Trading, profile: str, control: int) -> bytes:
    """The 997 of every group, from whom the file is for to whom it is from."""
    if not read:
        raise SettingsError("there is no set to acknowledge", do="Tell the sender what `x12 check` says.")
    number = read[0].isa.receiver
    sender = next((end for end in (trading.utility, trading.aggregator) if end.number == number), None)
    if sender is None:
        raise SettingsError("the file is for neither of the two ends", do="Compare ISA08 with --between.")
    now = system_clock()
    made = [
        x12_sets.write_document(one, trading, reference="", at=now)
        for one in answer_syntax(read, load_profile(profile))
    ]
    return x12_sets.write_file(made, trading, sender, control=control, at=now)
