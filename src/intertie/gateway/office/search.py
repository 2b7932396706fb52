"""Looking for messages as a person does: by filters, and by whatever the person has at hand: an id, a conversation, a word."""

from __future__ import annotations

import re

from intertie.gateway.gateway import Gateway
from intertie.gateway.office.office_lists import message_line
from intertie.gateway.ports import Found, Search
from intertie.model.ids import NAME, UUID7, ConversationId, MessageId, ParcelId
from intertie.model.office import SearchPage

# A person types a few words; each one more is another look at every row.
TEXT_MAX, WORDS_MAX = 200, 5

_ID = re.compile(UUID7)
_NAME = re.compile(NAME)


def search(gateway: Gateway, wanted: Search, text: str = "") -> Found:
    """The messages that are wanted and that `text` says: the id of a message or of a parcel, the name of a conversation, or
    words that all stand in its ids, names or detail. A short page is not the last one: `older` says where to go on."""
    store = gateway.store
    words = text.split()[:WORDS_MAX]
    for exact in _exact(wanted, words):
        found = store.search(exact)
        if found.rows or found.older is not None:
            return found
    return store.search(wanted._replace(words=words))


def search_page(gateway: Gateway, wanted: Search, text: str) -> SearchPage:
    """The same for programs."""
    found = search(gateway, wanted, text)
    return SearchPage(items=[message_line(row) for row in found.rows], next=found.older)


def _exact(wanted: Search, words: list[str]) -> list[Search]:
    """What one word may name, each answered by an index."""
    if len(words) != 1:
        return []
    (word,) = words
    if _ID.search(word.lower()):
        id = word.lower()
        return [wanted._replace(message=MessageId(id)), wanted._replace(parcel=ParcelId(id))]
    if wanted.conversation is None and _NAME.search(word):
        return [wanted._replace(conversation=ConversationId(word))]
    return []
