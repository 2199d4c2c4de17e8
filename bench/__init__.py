"""Askr and its peers, measured on the same documents: `python -m bench --help`."""
