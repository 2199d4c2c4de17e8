from __future__ import annotations

from xml.etree import ElementTree as ET

from bench.profile_command import trimmed
from bench.syscalls import parse

from bench import flame, stacks

PERF = """\
askr-wire 4711 
\tffffffff8a finish_task_switch.isra.0 ([kernel.kallsyms])
\t      7f1b send (/usr/lib/libc.so.6)
\t      55aa askr_h1_send (/x/_kernel.cpython.so)
\t      55ab loop (inlined)
\t      55ac askr_loop_main (/x/_kernel.cpython.so)
\t      55ab [unknown] (/x/_kernel.cpython.so)
\tffffffffffffffff [unknown] ([unknown])

name with blanks 12 
\t      1234 main (/bin/x)

askr-wire 4711 
\t      7f1b send (/usr/lib/libc.so.6)
\t      55aa askr_h1_send (/x/_kernel.cpython.so)

"""  # noqa: W291 - as perf prints it

STRACE = """\
% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 60.00    0.000600           1       600           sendto
 40.00    0.000400           1       400        25 recvfrom
------ ----------- ----------- --------- --------- ----------------
100.00    0.001000                  1000        25 total
"""


def test_a_stack_is_read_from_the_outermost_function_inwards() -> None:
    kinds: stacks.Kinds = {}
    assert list(stacks.parse(PERF, kinds)) == [
        (
            "askr-wire",
            ("[_kernel.cpython.so]", "askr_loop_main", "loop", "askr_h1_send", "send", "finish_task_switch [k]"),
        ),
        ("name with blanks", ("main",)),
        ("askr-wire", ("askr_h1_send", "send")),
    ]
    of_wire = {name: kind for (thread, name), kind in kinds.items() if thread == "askr-wire"}
    assert of_wire["loop"] == of_wire["askr_h1_send"] == "askr"
    assert (of_wire["finish_task_switch [k]"], of_wire["send"]) == ("kernel", "other")


def test_in_the_library_that_holds_php_a_function_is_askr_s_by_its_name() -> None:
    library = "/x/_kernel_vendor.cpython.so"
    assert [stacks.kind_of(name, library) for name in ("zif_askr_x", "askr_take", "execute_ex")] == [
        "askr",
        "askr",
        "php",
    ]


def test_a_function_s_own_samples_are_those_at_the_end_of_a_stack() -> None:
    found = [("a", "b"), ("a", "b", "c"), ("a",), ("a", "b")]
    assert stacks.own_counts(found) == {"b": 2, "c": 1, "a": 1}
    root = stacks.tree("all", {("a", "b"): 2, ("a", "b", "c"): 1}, {})
    assert (root.total, root.own) == (3, 0)
    assert (root.below["a"].below["b"].total, root.below["a"].below["b"].own) == (3, 2)


def test_the_way_to_the_loop_is_left_out() -> None:
    assert trimmed(("clone", "start_thread", "askr_loop_main", "x")) == ("askr_loop_main", "x")
    assert trimmed(("main", "y")) == ("main", "y")


def test_boxes_are_as_wide_as_their_share_and_no_box_is_wider_than_what_it_lies_on() -> None:
    kinds = {("wire", "loop"): "askr", ("wire", "recv [k]"): "kernel", ("worker", "loop"): "php"}
    counts = {("wire", "loop", "recv [k]"): 30, ("wire", "loop"): 10, ("worker", "loop"): 60}
    root = stacks.tree("all", counts, kinds)
    drawn = ET.fromstring(flame.draw("A <case>", "note", root))
    boxes = drawn.findall(".//{*}g/{*}rect")
    assert [box.get("class") for box in boxes] == ["other", "other", "askr", "kernel", "other", "php"]
    widths = [float(box.get("width") or 0) for box in boxes]
    room = widths[0]
    assert [round(width / room, 2) for width in widths] == [1.0, 0.4, 0.4, 0.3, 0.6, 0.6]


def test_calls_and_failures_are_read_from_strace_s_table() -> None:
    found = parse(STRACE)
    assert found.counts == {"sendto": 600, "recvfrom": 400}
    assert found.errors == {"recvfrom": 25}
