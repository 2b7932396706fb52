"""The rules of the trade: registration, baseline, performance, payment, comparison. Pure and exact: no clock, no floats."""
