"""The tables of a grid, and how they are written."""
