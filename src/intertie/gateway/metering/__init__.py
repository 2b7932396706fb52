"""Interval readings: out of messages and files, into rows that settlement and questions read."""
