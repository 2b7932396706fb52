"""JSON (and pages) for our own people and systems: the office API. A request becomes one act of gateway/; a route has no rule."""
