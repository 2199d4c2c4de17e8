"""The master process: it binds, maps, forks, waits and signals, and runs no application code.

It is synchronous and single-threaded, so that it may fork at any moment; nothing here imports the fronts' or PHP's code before a fork.
"""
