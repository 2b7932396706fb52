"""Becoming partners, proving that it works, and keeping what is known of each other current."""
