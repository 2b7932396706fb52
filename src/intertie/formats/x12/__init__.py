"""ASC X12 004010: interchanges as bytes, segment maps as data, and the sets that carry our documents (docs/x12.md)."""
