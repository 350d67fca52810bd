"""Windlass plugin: what operators do on a host: look at it, ping from it, restart a unit, push a file."""
