"""Read, choose, encode and batch the examples of a training or evaluation set."""
