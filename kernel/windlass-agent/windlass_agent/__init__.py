"""The agent: runs tasks on a host that has no access to the database, over one stream to a kernel."""
