"""Other people's software beside ours: one driver each, run by the Python of an environment of its own."""
