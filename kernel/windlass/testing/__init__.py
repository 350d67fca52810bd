"""What tests are made of: a clock that is not real, and a cluster that is simulated."""
