"""One file per sub-command: its options, and the order in which it calls the rest."""
