"""Decides.  No I/O, no clock, no randomness: facts and a time go in, decisions come out."""
