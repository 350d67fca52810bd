"""Windlass plugin: scheduled checks of services and hosts, with transitions between up and down."""
