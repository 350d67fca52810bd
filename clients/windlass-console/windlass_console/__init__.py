"""The web console: pages for people, made from what the gRPC API tells."""
