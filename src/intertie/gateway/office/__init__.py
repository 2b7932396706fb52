"""People and systems of our own: who they are, what they may do, and their acts, each once."""
