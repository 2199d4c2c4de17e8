"""Real PHP applications, answered by Askr or by the oracle."""
