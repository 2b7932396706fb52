"""Gateways in a simulated world: a virtual clock, a network that loses, delays, doubles and re-orders, disks that crash at
every write. What runs is the program itself: its acts, its tables, its store's contract, its journal. A seed replays a run.
"""
