"""The windlass command."""
