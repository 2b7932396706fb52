"""What commands say of our keys in S/MIME."""

from __future__ import annotations

from intertie.model.errors import SettingsError


def check_our_key(section: str, number: int | None, newest: int) -> None:
    """SettingsError if a partner is to know us by a key that we do not have."""
    if number is not None and number > newest:
        do = f"Name one up to {newest}, or raise key_number in [{section}] of intertie.toml."
        raise SettingsError(f"[{section}] our_key: we have no key {number}", do=do)
