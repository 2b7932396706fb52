"""Parcels that go by others: to their next hop, and what became of them back the same way."""
