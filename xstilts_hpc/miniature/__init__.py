"""Make the embedded default: a made-up multilingual world small enough for a laptop."""
