"""The edge of Askr: HTTP wires, routing and static files."""
