"""The season in chapters: each puts what its people do on the agenda."""
