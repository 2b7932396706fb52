"""A season of business between two organisations, on real load data: what `intertie demo` runs."""
