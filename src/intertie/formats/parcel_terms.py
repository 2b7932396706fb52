"""What was agreed with a partner that has a gateway and brings its sealed parcels as files: `[parcel]` of its legacy file."""

from __future__ import annotations

from intertie.model.record import Record


class ParcelTerms(Record, frozen=True, kw_only=True):
    """The section is empty: a parcel is the same bytes by every way (docs/relay.md, "By file")."""
