"""Hand runs to a cluster, watch them, and keep a pretended cluster for tests."""
