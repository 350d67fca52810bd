"""Generated from windlass/v1/*.proto by generate.py: do not edit."""
