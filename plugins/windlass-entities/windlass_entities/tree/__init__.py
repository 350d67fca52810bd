"""The published tree: read, written and kept whole."""
