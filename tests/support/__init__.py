"""What the tests stand on: a server under judgement, an oracle, a browser."""
