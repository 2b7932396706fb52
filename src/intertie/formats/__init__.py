"""Documents to and from other encodings. Pure."""
