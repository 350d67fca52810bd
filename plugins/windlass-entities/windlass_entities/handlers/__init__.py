"""The kinds: what each one computes, and the one way in which all of them publish (`passes`).

Every server and every worker registers the kinds, and few of them run one.  So what computes is imported by who runs:
numpy alone takes a fifth of a second.
"""
