"""What is served beside the street door begins again after an error, ends by itself or when it is told to, and leaves nothing."""

from __future__ import annotations

import asyncio
import logging

import pytest

from intertie.model.errors import StoreError
from intertie.run import kept_up as module
from intertie.run.kept_up import kept_up


class Served:
    """Ends by these errors, one after the other, and then stays."""

    def __init__(self, *errors: Exception) -> None:
        self.errors, self.begun, self.closed = list(errors), 0, 0
        self.up = asyncio.Event()

    async def serve(self) -> None:
        self.begun += 1
        try:
            if self.errors:
                raise self.errors.pop(0)
            self.up.set()
            await asyncio.Event().wait()
        finally:
            self.closed += 1


def test_it_begins_again_each_time_later_and_says_why(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "FIRST_SECONDS", 0.01)
    monkeypatch.setattr(module, "MOST_SECONDS", 0.02)

    async def scene() -> Served:
        served = Served(StoreError("the port is taken"), ValueError("x"), ValueError("y"))
        task = asyncio.ensure_future(kept_up(served.serve))
        await asyncio.wait_for(served.up.wait(), 30)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return served

    with caplog.at_level(logging.ERROR):
        served = asyncio.run(scene())
    assert served.begun == served.closed == 4
    said = [(record.__dict__["why"], record.__dict__["seconds"]) for record in caplog.records]
    assert said == [("the port is taken", 0.01), ("ValueError", 0.02), ("ValueError", 0.02)]


def test_what_ends_by_itself_is_not_begun_again(caplog: pytest.LogCaptureFixture) -> None:
    begun = []

    async def unwanted() -> None:
        begun.append(1)

    asyncio.run(asyncio.wait_for(kept_up(unwanted), 30))
    assert begun == [1] and not caplog.records


def test_when_it_is_told_to_end_it_ends_once_all_is_closed() -> None:
    async def scene() -> Served:
        served = Served()
        task = asyncio.ensure_future(kept_up(served.serve))
        await asyncio.wait_for(served.up.wait(), 30)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return served

    served = asyncio.run(scene())
    assert (served.begun, served.closed) == (1, 1)
