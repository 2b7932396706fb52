"""Keeping things: SQLite and its in-memory twin, behind the promises of `gateway/ports.py`."""
