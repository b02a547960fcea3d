"""Carry out one run: load, fine-tune, predict, commit."""
