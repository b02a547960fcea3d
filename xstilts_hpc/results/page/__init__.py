"""What the report shows besides tables and figures, its script and its style."""
