"""The pure parts of the benchmarks: statistics, judgement, parsing, tables, the chart."""
