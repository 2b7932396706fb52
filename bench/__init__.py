"""Measured speeds: `make bench`, or `make bench ONLY=sealing`. Medians of several runs, side by side, machine named."""
