from __future__ import annotations

import hashlib
import json

from bench.client import Answer, request_bytes
from bench.documents import STATIC_SIZES, documents, static_content


def test_every_document_has_an_answer_of_its_own_and_notices_another() -> None:
    for document in documents().values():
        expected = document.expected
        if expected is None:
            assert document.complaint(Answer(document.status, b"words of its own")) is None
        else:
            assert document.complaint(Answer(document.status, expected)) is None
            assert document.complaint(Answer(document.status, expected[:-1])) is not None
        assert document.complaint(Answer(502, expected or b"")) is not None


def test_the_json_documents_are_1024_bytes_and_say_what_was_sent() -> None:
    known = documents()
    for name in ("json", "post"):
        assert len(known[name].expected or b"") == 1024
    posted = json.loads(known["post"].expected or b"")
    assert posted["post"]["c"] == "z" * 200
    assert posted["body_size"] == len(known["post"].body)


def test_static_documents_are_the_same_every_time() -> None:
    for name, size in STATIC_SIZES.items():
        assert len(static_content(name)) == size
    assert hashlib.sha256(static_content("1k.bin")).digest() == hashlib.sha256(static_content("1k.bin")).digest()


def test_only_small_bodies_are_compared_while_the_load_runs() -> None:
    known = documents()
    assert known["hello"].is_compared_in_load
    assert known["1k"].is_compared_in_load
    assert not known["64k"].is_compared_in_load


def test_a_request_with_a_body_is_a_post_that_says_how_long_it_is() -> None:
    assert request_bytes("/a?b=c") == b"GET /a?b=c HTTP/1.1\r\nHost: localhost\r\n\r\n"
    posted = request_bytes("/", method="POST", body=b"a=1", media_type="text/plain")
    assert posted.endswith(b"Content-Length: 3\r\nContent-Type: text/plain\r\n\r\na=1")
