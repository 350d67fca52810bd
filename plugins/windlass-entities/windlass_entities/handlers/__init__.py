"""The kinds: what each one computes, and the one way in which all of them publish (`passes`)."""
