"""Collect logits into scores, and scores into tables and a report."""
