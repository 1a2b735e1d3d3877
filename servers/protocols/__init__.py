"""One folder per protocol: `server.py`, `client.py` and the constants that both share."""
