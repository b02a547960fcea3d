"""Statistics of a study: intervals over seeds and examples, corrected tests, learning curves. Only numpy and scipy."""
