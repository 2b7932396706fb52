"""A partner that plays its part by itself, from a script: for whoever tries out a gateway."""
