"""Downloads on a machine with network: the only package that opens connections to the world."""
