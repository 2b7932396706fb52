"""The interfaces of the mission as data: one TOML file each, the loader that refuses a wrong one, and admission by it."""
