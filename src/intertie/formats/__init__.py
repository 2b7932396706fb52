"""Documents and readings to and from other encodings; no I/O of its own beyond the file it is handed."""
