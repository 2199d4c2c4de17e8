"""Shared memory for Askr: arena, slab, rings and the exchange."""
