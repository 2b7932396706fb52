"""The client for programs that wait."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

import httpx

from intertie.client import calls
from intertie.client.calls import Call
from intertie.client.errors import said
from intertie.client.stream import PATH, EventLines
from intertie.client.trying import (
    AGAIN,
    ATTEMPTS,
    STREAM_TIMEOUT,
    TIMEOUT,
    headers_of,
    no_answer,
    wait_seconds,
)
from intertie.model.office import Happened

P = ParamSpec("P")
T = TypeVar("T")


def _does(make: Callable[P, Call[T]]) -> Callable[Concatenate[Client, P], T]:
    """The method that carries out such a call."""

    @wraps(make)
    def method(self: Client, /, *arguments: P.args, **named: P.kwargs) -> T:
        return self.do(make(*arguments, **named))

    return method


class Client:
    """The office of one gateway. Safe to use from several threads."""

    def __init__(
        self,
        url: str,
        key: str,
        *,
        verify: Any = True,
        attempts: int = ATTEMPTS,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """`url` as "http://127.0.0.1:8460"; `verify` as httpx takes it: an SSLContext that trusts the gateway's authority."""
        self._attempts = attempts
        self._http = httpx.Client(
            base_url=url, headers=headers_of(key), timeout=TIMEOUT, verify=verify, transport=transport
        )

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()

    def do(self, call: Call[T]) -> T:
        """Carry out one call, with repeats where they help. Raises ClientError."""
        headers = (
            {} if call.key is None else {"Idempotency-Key": call.key, "Content-Type": "application/json"}
        )
        attempt = 0
        while True:
            attempt += 1
            try:
                answer = self._http.request(
                    call.method, call.path, params=call.query, content=call.body, headers=headers
                )
            except httpx.TransportError as error:
                if attempt >= self._attempts:
                    raise no_answer(error) from error
                time.sleep(wait_seconds(attempt))
                continue
            if answer.is_success:
                return call.read(answer.content)
            if answer.status_code not in AGAIN or attempt >= self._attempts:
                raise said(answer.status_code, answer.content)
            time.sleep(wait_seconds(attempt, answer.headers))

    def events(
        self,
        after: int | None = None,
        *,
        documents: Collection[str] | None = None,
        kinds: Collection[str] | None = None,
    ) -> Iterator[Happened]:
        """What happens, for ever: after this event's index (-1: from the beginning; None: from now on), of these documents
        and kinds. A cut line is taken up again where it was. Raises Said if the gateway says no."""
        lines = EventLines(after, documents, kinds)
        attempt = 0
        while True:
            try:
                with self._http.stream(
                    "GET", PATH, params=lines.query, headers=lines.begin(), timeout=STREAM_TIMEOUT
                ) as answer:
                    if answer.status_code not in AGAIN and not answer.is_success:
                        raise said(answer.status_code, answer.read())
                    for line in answer.iter_lines() if answer.is_success else ():
                        attempt = 0
                        event = lines.take(line)
                        if event is not None:
                            yield event
            except httpx.TransportError:
                pass  # cut: the next attempt resumes
            attempt += 1
            time.sleep(wait_seconds(attempt))

    whoami = _does(calls.whoami)
    partners = _does(calls.partners)
    partner = _does(calls.partner)
    flows = _does(calls.flows)
    documents = _does(calls.documents)
    schema = _does(calls.schema)
    inbox = _does(calls.inbox)
    messages = _does(calls.messages)
    search = _does(calls.search)
    dead_letters = _does(calls.dead_letters)
    message = _does(calls.message)
    evidence = _does(calls.evidence)
    send = _does(calls.send)
    cancel = _does(calls.cancel)
    resend = _does(calls.resend)
    book = _does(calls.book)
    void = _does(calls.void)
    digest = _does(calls.digest)
    effects = _does(calls.effects)
    sign = _does(calls.sign)
    notice = _does(calls.notice)
    answer_deal = _does(calls.answer_deal)
    declare = _does(calls.declare)
    withdraw = _does(calls.withdraw)
    instruct = _does(calls.instruct)
    answer_dispatch = _does(calls.answer_dispatch)
    report_dispatch = _does(calls.report_dispatch)
    measure_dispatch = _does(calls.measure_dispatch)
    cancel_dispatch = _does(calls.cancel_dispatch)
    keys = _does(calls.keys)
    revoke_key = _does(calls.revoke_key)
