"""NAESB REQ.21 ESPI (Green Button): Atom feeds of usage points, meter readings, reading types and interval blocks."""
