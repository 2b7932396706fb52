"""Intertie: the exchange through which distribution utilities and DER aggregators do business."""

__version__ = "0.1.0"
