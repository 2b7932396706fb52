"""UFTP (Shapeshifter) over HTTP: signed messages in, answers posted, and our own messages out (docs/uftp.md)."""
