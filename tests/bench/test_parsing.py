from __future__ import annotations

import pytest
from bench.documents import documents
from bench.load import Load, LoadFailed, parse, short_bytes
from bench.machine import _processor
from bench.processes import Memory, Stat, parse_memory, parse_stat

WRK = """\
Running 2s test @ http://127.0.0.1:1234/hello.php
  1 threads and 16 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev

bench: {"requests": 4000, "duration_us": 2000000, "bytes": 800000, "wrong": 3, "bad_status": 2, "connect": 1, \
"read": 4, "write": 0, "timeout": 5, "p50_us": 1500, "p99_us": 12000, "max_us": 20000}
"""


def test_the_figures_are_read_from_what_wrk_s_script_printed() -> None:
    load = parse(WRK)
    assert load.rate_per_s == 2000
    assert (load.p50_ms, load.p99_ms, load.max_ms) == (1.5, 12.0, 20.0)
    # A wrong answer with a bad status is one error; broken connections and timeouts are further ones.
    assert load.errors == 3 + 1 + 4 + 5


def test_a_document_that_is_not_there_wants_every_answer_to_say_so() -> None:
    counts = '"wrong": 0, "connect": 0, "read": 0, "write": 0, "timeout": 0, "p50_us": 1, "p99_us": 1, "max_us": 1'
    line = f'bench: {{"requests": 10, "duration_us": 1, "bytes": 0, "bad_status": 9, {counts}}}'
    assert parse(line, status=404).errors == 1
    assert parse(line).errors == 9


def test_output_without_figures_is_a_failure_that_shows_it() -> None:
    with pytest.raises(LoadFailed, match="unable to connect"):
        parse("unable to connect to 127.0.0.1:1: Connection refused\n")
    with pytest.raises(LoadFailed, match="nothing"):
        parse("")


@pytest.mark.parametrize(("size_bytes", "short"), [(100 * 65536 - 1, 1), (100 * 65536, 0), (101 * 65536, 0)])
def test_bodies_that_are_too_short_show_in_the_bytes_that_arrived(size_bytes: int, short: int) -> None:
    load = Load(100, 1.0, size_bytes, 0, 1.0, 1.0, 1.0)
    assert short_bytes(load, documents()["64k"], 16) == short


def test_a_process_may_be_named_as_it_likes() -> None:
    line = "42 (a) b (c) S 7 42 42 0 -1 4194560 1 2 3 4 11 22 33 44 20 0 1 0 100 0 0"
    assert parse_stat(line) == Stat(name="a) b (c", parent=7, cpu_ticks=33, ended_children_ticks=77)


def test_memory_is_read_from_smaps_rollup() -> None:
    text = """\
55d0-7ffd ---p 00000000 00:00 0                          [rollup]
Rss:                1024 kB
Pss:                 512 kB
Pss_Dirty:           100 kB
Private_Clean:        10 kB
Private_Dirty:        20 kB
"""
    assert parse_memory(text) == Memory(1024 * 1024, 512 * 1024, 30 * 1024)


def test_a_machine_without_a_model_name_is_named_by_its_architecture() -> None:
    assert _processor("processor : 0\nmodel name\t: Some CPU @ 2 GHz\n") == "Some CPU @ 2 GHz"
    assert _processor("processor : 0\n")
