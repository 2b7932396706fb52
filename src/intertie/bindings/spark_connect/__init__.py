"""Spark Connect: a cluster computes, and the lines come back."""
