"""UFTP 3 (Shapeshifter, LF Energy): its messages, read and written strictly, and our documents in them (docs/uftp.md)."""
