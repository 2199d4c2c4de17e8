"""What PHP sees of a request and a client of PHP's answer: per request and in worker mode, over real sockets."""

from __future__ import annotations

import hashlib
import json
import threading
import uuid
from pathlib import Path

import pytest

from tests.e2e.conftest import Behaviours
from tests.e2e.e2e_client import Client, Reply

BOUNDARY = "askr-boundary"


def multipart(*parts: tuple[str, str | None, bytes]) -> tuple[dict[str, str], bytes]:
    """Return header fields and body of a multipart/form-data request (RFC 7578)."""
    body = b""
    for name, filename, content in parts:
        file = f'; filename="{filename}"\r\nContent-Type: application/octet-stream' if filename is not None else ""
        body += (
            f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'.encode() + content + b"\r\n"
        )
    return {"Content-Type": f"Multipart/Form-Data; boundary={BOUNDARY}"}, body + f"--{BOUNDARY}--\r\n".encode()


def test_server_variables_follow_the_request(behaviours: Behaviours) -> None:
    with Client(behaviours) as client:
        vars_ = client.get(
            "/server.php?a=1&b=%20", headers={"Host": "example.test:81", "X-Thing": "t", "User-Agent": "e2e"}
        ).json()
    expected = {
        "REQUEST_METHOD": "GET",
        "REQUEST_URI": "/server.php?a=1&b=%20",
        "QUERY_STRING": "a=1&b=%20",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "GATEWAY_INTERFACE": "CGI/1.1",
        "SERVER_SOFTWARE": "askr",
        "SERVER_NAME": "example.test",
        "SERVER_PORT": str(behaviours.port),
        "SERVER_ADDR": "127.0.0.1",
        "REMOTE_ADDR": "127.0.0.1",
        "REQUEST_SCHEME": "http",
        "REDIRECT_STATUS": "200",
        "HTTP_HOST": "example.test:81",
        "HTTP_X_THING": "t",
        "HTTP_USER_AGENT": "e2e",
    }
    assert {name: vars_.get(name) for name in expected} == expected
    assert vars_["REMOTE_PORT"] == str(client.local_port)
    assert abs(vars_["REQUEST_TIME_FLOAT"] - vars_["REQUEST_TIME"]) < 1
    assert "HTTPS" not in vars_
    assert "CONTENT_LENGTH" not in vars_
    assert "PATH_INFO" not in vars_


def test_headers_that_could_forge_others_do_not_reach_server_variables(behaviours: Behaviours) -> None:
    with Client(behaviours) as client:
        vars_ = client.get("/server.php", headers={"X-Real": "proxy", "X_Real": "client", "Proxy": "evil"}).json()
        env = client.get("/getenv.php", headers={"Host": "h.test", "Proxy": "evil"}).json()
    assert vars_["HTTP_X_REAL"] == "proxy"
    assert "HTTP_PROXY" not in vars_
    assert env == {"method": "GET", "host": "h.test", "proxy": False, "home": "from outside", "server": "from outside"}


def test_an_ipv6_host_is_split_at_the_right_colon(behaviours: Behaviours) -> None:
    with Client(behaviours) as client:
        vars_ = client.get("/server.php", headers={"Host": "[::1]:8000"}).json()
    assert (vars_["HTTP_HOST"], vars_["SERVER_NAME"]) == ("[::1]:8000", "[::1]")


def test_superglobals_are_those_of_this_request(behaviours: Behaviours) -> None:
    with Client(behaviours) as client:
        for i in range(3):
            body = f"n[a][]={i}&n[a][]=x&plain=%00{i}".encode()
            seen = client.request(
                "POST",
                f"/globals.php?q={i}&list[]=1&list[]=2",
                headers={"Content-Type": "application/x-www-form-urlencoded", "Cookie": f"c={i}; d[x]=y"},
                body=body,
            ).json()
            assert seen["get"] == {"q": str(i), "list": ["1", "2"]}
            assert seen["post"] == {"n": {"a": [str(i), "x"]}, "plain": f"\0{i}"}
            assert seen["cookie"] == {"c": str(i), "d": {"x": "y"}}
            assert seen["request"]["q"] == str(i)
            assert seen["again"] == len(body)
        assert client.get("/globals.php").json() == {
            "get": [],
            "post": [],
            "cookie": [],
            "request": [],
            "files": [],
            "raw": "",
            "again": 0,
        }


@pytest.mark.parametrize("size", [0, 1, 8191, 262144, 1_500_000])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_of_any_size_reaches_php_whole(behaviours: Behaviours, size: int, *, chunked: bool) -> None:
    body = hashlib.shake_128(str(size).encode()).digest(size)
    with Client(behaviours) as client:
        for _ in range(2):
            reply = client.request(
                "POST", "/sha1.php", headers={"Content-Type": "application/octet-stream"}, body=body, chunked=chunked
            )
            assert reply.body.decode() == f"{size} {hashlib.sha1(body, usedforsecurity=False).hexdigest()}"


def test_uploads_arrive_as_files_that_can_be_moved(behaviours: Behaviours) -> None:
    content = bytes(range(256)) * 2000
    headers, body = multipart(
        ("title", None, b"hello"), ("one", "a.bin", content), ("many[]", "b.txt", b"b"), ("many[]", "", b"")
    )
    with Client(behaviours) as client:
        seen = client.request("POST", "/upload.php", headers=headers, body=body).json()
    assert seen["post"] == {"title": "hello"}
    one, second, none = seen["files"]
    assert (one["name"], one["size"], one["sha1"]) == (
        "a.bin",
        len(content),
        hashlib.sha1(content, usedforsecurity=False).hexdigest(),
    )
    assert one["uploaded"]
    assert one["moved"]
    assert (second["name"], second["size"]) == ("b.txt", 1)
    assert none["error"] == 4
    assert not any(Path(file["tmp"]).exists() for file in seen["files"] if file["tmp"])


def test_status_reason_headers_and_cookies_are_what_php_said(behaviours: Behaviours) -> None:
    with Client(behaviours) as client:
        for _ in range(2):
            reply = client.get("/headers.php")
            assert (reply.status, reply.reason, reply.body) == (418, "Short and stout", b"tea")
            assert reply.all("X-One") == ["1"]
            assert reply.all("X-Two") == ["a", "b"]
            assert [value.split(";")[0] for value in reply.all("Set-Cookie")] == ["a=1", "b=2"]
            assert reply.all("X-Powered-By") == []
            assert reply.all("Content-Length") == ["3"]
        plain = client.get("/pid.php")
        assert (plain.status, plain.reason, plain.all("X-One"), plain.all("Set-Cookie")) == (200, "OK", [], [])
        assert client.get("/redirect.php").status == 302


@pytest.mark.parametrize("code", [204, 304])
def test_a_status_without_content_has_no_body(behaviours: Behaviours, code: int) -> None:
    with Client(behaviours) as client:
        reply = client.get(f"/status.php?code={code}&body=ignored")
        assert (reply.status, reply.body, reply.all("Transfer-Encoding")) == (code, b"", [])
        assert client.get("/pid.php").body.isdigit()  # the connection is still in step


def test_head_has_the_headers_and_no_body(behaviours: Behaviours) -> None:
    with Client(behaviours) as client:
        reply = client.request("HEAD", "/headers.php")
        assert (reply.status, reply.body) == (418, b"")
        assert client.get("/pid.php").body.isdigit()


def test_exit_ends_the_request_and_not_the_worker(behaviours: Behaviours) -> None:
    workers = behaviours.worker_pids()
    with Client(behaviours) as client:
        for _ in range(8):
            assert client.get("/exit.php").body == b"said bye and shutdown"
    assert behaviours.worker_pids() == workers


def test_an_uncaught_exception_is_a_500_and_the_next_request_is_served(behaviours: Behaviours) -> None:
    with Client(behaviours) as client:
        for _ in range(3):
            reply = client.get("/exception.php")
            if behaviours.mode == "worker":
                assert (reply.status, reply.body) == (500, b"")
            else:
                assert (reply.status, reply.body) == (200, b"half a page")  # as under PHP-FPM
        assert client.get("/pid.php").status == 200


def test_running_out_of_memory_costs_one_request(behaviours: Behaviours) -> None:
    with Client(behaviours) as client:
        for _ in range(3):
            assert client.get("/memory.php").status == 500
            assert client.get("/pid.php").status == 200


def test_what_is_flushed_arrives_before_the_script_ends(behaviours: Behaviours, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with Client(behaviours) as client:
        client.send("GET", f"/flush.php?gate={gate}")
        stream = client.stream()
        assert next(stream) == b"first\n"
        gate.touch()
        assert b"".join(stream) == b"second\n"
        assert client.get("/pid.php").status == 200


@pytest.mark.parametrize("script", ["finish.php", "defer.php"])
def test_work_after_the_answer_does_not_hold_the_client(behaviours: Behaviours, tmp_path: Path, script: str) -> None:
    gate = tmp_path / "gate"
    done = Path(f"{gate}.done")
    with Client(behaviours) as client:
        assert client.get(f"/{script}?gate={gate}").body == b"answer"
        assert not done.exists()
        gate.touch()
        behaviours.wait_for(done.exists)


def test_credentials_are_decoded(behaviours: Behaviours) -> None:
    with Client(behaviours) as client:
        assert client.get("/auth.php", headers={"Authorization": "Basic dXNlcjpwYTpzcw=="}).json() == {
            "user": "user",
            "pw": "pa:ss",
            "digest": None,
        }
        assert client.get("/auth.php").json() == {"user": None, "pw": None, "digest": None}
        assert (
            client.get("/auth.php", headers={"Authorization": 'Digest username="u"'}).json()["digest"] == 'username="u"'
        )


def test_all_headers_are_given_as_sent(behaviours: Behaviours) -> None:
    with Client(behaviours) as client:
        seen = client.get("/allheaders.php", headers={"X-CamelCase": "v", "X-Empty": ""}).json()
    assert seen["X-CamelCase"] == "v"
    assert seen["X-Empty"] == ""


@pytest.mark.parametrize("size", [0, 1, 16384, 700_000, 5_000_000])
def test_a_response_of_any_size_arrives_whole(behaviours: Behaviours, size: int) -> None:
    expected = b"".join(b"%015d\n" % i for i in range(size // 16 + 1))[:size]
    with Client(behaviours) as client:
        for _ in range(2):
            assert client.get(f"/large.php?n={size}").body == expected


def test_sessions_of_two_clients_never_mix(behaviours: Behaviours) -> None:
    jars: dict[str, str] = {}

    def visit(client: Client, who: str, query: str = "") -> dict[str, object]:
        reply = client.get(f"/session.php{query}", headers={"Cookie": jars[who]} if who in jars else {})
        for cookie in reply.all("Set-Cookie"):
            jars[who] = cookie.split(";")[0]
        seen: dict[str, object] = reply.json()
        return seen

    with Client(behaviours) as client:
        visit(client, "ann", "?user=ann")
        visit(client, "bob", "?user=bob")
        for n in range(2, 20):
            for who in ("ann", "bob"):
                assert visit(client, who) == {"user": who, "n": n}
            assert client.get("/session_state.php").json() == {"session": None, "id": "", "status": 1}


def test_output_buffers_that_a_script_leaves_open_are_flushed(behaviours: Behaviours) -> None:
    with Client(behaviours) as client:
        for _ in range(3):
            assert client.get("/buffers.php").body == b"abC"


@pytest.mark.parametrize("ignore", [0, 1])
def test_php_learns_that_its_client_left(behaviours: Behaviours, tmp_path: Path, ignore: int) -> None:
    mark = tmp_path / "mark"
    with Client(behaviours) as client:
        client.send("GET", f"/abort.php?ignore={ignore}&mark={mark}")
        next(client.stream())
    behaviours.wait_for(mark.exists)
    behaviours.wait_for(lambda: mark.read_text() == "aborted=1")
    assert Path(f"{mark}.after").exists() == bool(ignore)


def test_the_last_error_does_not_stay_for_the_next_request(behaviours: Behaviours) -> None:
    with Client(behaviours) as client:
        assert [client.get("/error.php").json()["last"] for _ in range(6)] == [None] * 6


def test_a_worker_that_dies_costs_its_own_request_only(behaviours: Behaviours) -> None:
    behaviours.expect_log("SIGKILL")
    with Client(behaviours) as client:
        reply = client.get("/crash.php")
        assert (reply.status, reply.body) == (502, b"askr: php worker died mid-request")
        assert client.get("/pid.php").status == 200
    with Client(behaviours) as client:
        try:
            late = client.get("/crash.php?after=1")
        except ConnectionError:
            pass  # part of it was sent: the connection is cut, and the answer has no end
        else:
            assert (late.status, late.body) == (502, b"askr: php worker died mid-request")  # nothing was sent yet
    with Client(behaviours) as client:
        assert client.get("/pid.php").status == 200


def test_fifty_requests_at_once_each_get_their_own_answer(behaviours: Behaviours) -> None:
    wrong: list[tuple[str, Reply]] = []

    def run() -> None:
        with Client(behaviours) as client:
            for _ in range(10):
                own = uuid.uuid4().hex
                reply = client.request(
                    "POST",
                    f"/echo.php?id={own}&us=500",
                    headers={"Cookie": f"id={own}", "X-Id": own, "Content-Type": "application/x-www-form-urlencoded"},
                    body=f"id={own}".encode(),
                )
                if reply.body.decode() != f"{own} {own} {own} {own}" or reply.all("X-Id") != [own]:
                    wrong.append((own, reply))

    threads = [threading.Thread(target=run) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_slow_request_does_not_hold_the_fast_ones(behaviours: Behaviours, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    held = [Client(behaviours) for _ in range(behaviours.workers - 1)]
    try:
        for client in held:
            client.send("GET", f"/gate.php?gate={gate}")
        with Client(behaviours) as client:
            for _ in range(50):  # would wait for ever if one of them were given to a held worker
                assert client.get("/pid.php").status == 200
    finally:
        gate.touch()
        for client in held:
            assert b"".join(client.stream()).isdigit()
            client.close()


def test_json_helper_is_honest() -> None:
    with pytest.raises(json.JSONDecodeError):
        Reply(200, "OK", [], b"nope").json()
