"""The append-only record: entries, the hash tree over them, heads, proofs, and reading it all back."""
