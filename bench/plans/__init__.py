"""The plans of the hot statements, as they ran."""
