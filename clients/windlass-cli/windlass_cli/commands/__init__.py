"""The commands of this distribution, one a file; entry points of the group `windlass.commands` name them."""
