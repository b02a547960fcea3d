"""The encoder and the heads on top of it."""
