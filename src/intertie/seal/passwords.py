"""Passwords of people: checked as NIST SP 800-63B rev. 4 asks (length, no composition rules), kept as Argon2id hashes."""

from __future__ import annotations

import unicodedata
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from intertie.model.errors import SettingsError

# SP 800-63B-4, 3.1.1.2: at least fifteen where the password may stand alone.
LENGTH_MIN = 15
# A hash of more is no safer; what is longer was pasted by mistake.
LENGTH_MAX = 256
# Of a sentence at least so many different characters: "aaaaaaaaaaaaaaa" is long, and guessed at once.
DIFFERENT_MIN = 6
# RFC 9106, 4, the second recommendation (64 MiB, three passes); two lanes, since these machines often have two cores.
_HASHER = PasswordHasher(time_cost=3, memory_cost=65536, parallelism=2)


@cache
def _nobody() -> str:
    """What is verified for a name that nobody has, so that it takes as long as for one that somebody has."""
    return _HASHER.hash("nobody has this password, whatever it is")


def check_new(password: str, *names: str) -> str:
    """The password as it is kept (NFKC, as RFC 8265 has it); SettingsError if it is too easy to guess, never naming it."""
    text = unicodedata.normalize("NFKC", password)
    if not LENGTH_MIN <= len(text) <= LENGTH_MAX:
        raise SettingsError(
            f"a password has {LENGTH_MIN} to {LENGTH_MAX} characters",
            do="Take a sentence, or let a password manager make one.",
        )
    if len(set(text)) < DIFFERENT_MIN:
        raise SettingsError(
            f"a password has at least {DIFFERENT_MIN} different characters", do="Take a sentence."
        )
    plain = text.casefold()
    for name in names:
        if len(name) >= 4 and plain.replace(name.casefold(), "").__len__() < LENGTH_MIN - 4:
            raise SettingsError("a password is more than a name", do="Take one without your name in it.")
    return text


def hash_password(text: str) -> str:
    """The Argon2id hash, with its salt and parameters."""
    return _HASHER.hash(text)


def same_password(kept: str | None, said: str) -> bool:
    """Whether it is the password; as slow for None, which is nobody's."""
    if len(said) > LENGTH_MAX:
        return False
    nobody = _nobody()  # for every name: made with the first answer of a process, whoever it is for
    try:
        _HASHER.verify(kept or nobody, unicodedata.normalize("NFKC", said))
    except (VerificationError, InvalidHashError):
        return False
    return kept is not None
