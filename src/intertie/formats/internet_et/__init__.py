"""NAESB Internet ET: its form, its receipt, its error codes and its reference numbers."""
