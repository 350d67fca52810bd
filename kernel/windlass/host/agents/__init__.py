"""Agents as a server sees them: their sessions, and what is asked of the store on their behalf, for all at once."""
