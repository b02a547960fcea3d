"""What is in a data folder: checked, searched for, imported; without network."""
