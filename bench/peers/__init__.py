"""The servers that are compared: how each is started, and which of its processes do what."""
