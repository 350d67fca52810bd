"""Windlass plugin: drains a site's transactions from Redis into its main database, in order, exactly once."""
