"""Decides what runs next: starts and stops processes, watches them, and is the command line."""
