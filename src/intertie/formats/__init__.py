"""Documents and readings to and from other encodings. Pure: bytes and frozen types in, frozen types and bytes out."""
