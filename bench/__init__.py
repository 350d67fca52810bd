"""Measurements of Windlass on this machine's own servers, with fsync on: `make bench`."""
