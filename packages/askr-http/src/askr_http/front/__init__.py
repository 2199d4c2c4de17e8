"""The front process: connections, routing, and the way to the workers."""

from askr_http.front.process import main
from askr_http.front.spec import FrontSpec

__all__ = ["FrontSpec", "main"]
