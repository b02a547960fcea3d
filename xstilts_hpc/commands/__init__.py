"""The commands of the command line, by what a user wants to do."""
