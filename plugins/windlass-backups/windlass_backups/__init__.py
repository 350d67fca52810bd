"""Windlass plugin: backups of PostgreSQL databases and directory trees, kept, counted, and proved by restoring them."""
