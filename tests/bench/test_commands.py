from __future__ import annotations

import pytest
from bench.commands import MEASUREMENTS, main, parser
from bench.options import QUICK_DOCUMENTS, Options


def test_a_quick_run_asks_for_fewer_documents_and_less_time() -> None:
    full, quick = (Options.of(parser().parse_args(words)) for words in ([], ["--quick"]))
    assert [document.name for document in quick.documents] == list(QUICK_DOCUMENTS)
    assert set(quick.documents) < set(full.documents)
    assert quick.rounds * quick.seconds < full.rounds * full.seconds


@pytest.mark.parametrize("words", [["--documents", "nothing"], ["--peers", "apache"]])
def test_a_wrong_name_is_named_with_the_right_ones(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    message = capsys.readouterr().err
    assert f"there is no {words[0][2:-1]} {words[1]}; there are" in message


def test_every_measurement_is_described(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    text = " ".join(capsys.readouterr().out.split())  # the lines are broken anywhere
    assert all(f"{name}: " in text for name in MEASUREMENTS)
