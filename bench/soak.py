from pathlib import Path
from bench.options import Options
from bench.results import Report
def measure(options: Options, folder: Path) -> Report: raise NotImplementedError
