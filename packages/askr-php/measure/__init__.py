"""What a worker costs per request, without a front: see measure.py."""
