"""How the cases of signed objects are made: who signs (people), what can be wrong with any signature (mutations), and the
objects themselves."""
