"""Measured speeds: `make bench`, or `make bench ONLY=sealing`. What each part measures: docs/performance.md."""
