"""Fetch real PHP applications and lay them out in the cache, for the tests and the benchmarks.

Everything comes from Debian packages, unpacked and never installed: `python3 -m scripts.apps laravel wordpress`.
"""
