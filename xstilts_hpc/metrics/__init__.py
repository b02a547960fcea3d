"""Numbers in [0, 1] from predictions and references; numpy only."""
