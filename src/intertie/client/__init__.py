"""The office API of a gateway, from Python: `Client` and `AsyncClient`, typed, with the same methods. It imports `model/` only:
a system of ours needs nothing else of this program."""

from __future__ import annotations

from intertie.client.asynchronous import AsyncClient
from intertie.client.blocking import Client
from intertie.client.errors import (
    Busy,
    ClientError,
    Conflict,
    NoAnswer,
    NotAllowed,
    NotHere,
    NotLetIn,
    RuleBroken,
    Said,
    Unavailable,
    Wrong,
)

__all__ = [
    "AsyncClient",
    "Busy",
    "Client",
    "ClientError",
    "Conflict",
    "NoAnswer",
    "NotAllowed",
    "NotHere",
    "NotLetIn",
    "RuleBroken",
    "Said",
    "Unavailable",
    "Wrong",
]
