"""Windlass plugin: country and ASN pages that are derived from IP lists, always whole and right."""
