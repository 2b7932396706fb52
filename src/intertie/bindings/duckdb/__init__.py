"""DuckDB: SQL over readings in memory."""
