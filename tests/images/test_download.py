"""Downloads keep to their limits and name the address when they fail."""

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from wordbox.errors import SourceError
from wordbox.images.download import MAX_REDIRECTS, download

BODY = b"a picture"


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path.startswith("/hop/"):
            left = int(path.rpartition("/")[2])
            self.answer(302, Location=f"/hop/{left - 1}" if left else "/ok")
        elif path == "/round":
            self.answer(302, Location="/round")
        elif path == "/to":
            self.answer(302, Location=self.path.partition("?")[2])
        elif path == "/missing":
            self.answer(404)
        elif path == "/short":
            self.answer(200, BODY, length=100)
        elif path == "/long":
            self.answer(200, BODY * 1000, length=None)
        elif path == "/promise":
            self.answer(200, b"", length=10**12)
        elif path == "/drip":
            self.answer(200, b"", length=100)
            while not self.server.stopping.wait(0.05):  # type: ignore[attr-defined]
                self.wfile.write(b".")
        elif path == "/silent":
            self.server.stopping.wait(20)  # type: ignore[attr-defined]
        else:
            self.answer(200, BODY + self.path.encode())

    def answer(self, code: int, body: bytes = b"", length: int | None = -1, **headers: str) -> None:
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        if length is not None:
            self.send_header("Content-Length", str(len(body) if length < 0 else length))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is printed."""

    def handle(self) -> None:
        try:
            super().handle()
        except OSError:  # the client hung up
            self.close_connection = True


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    listener = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    listener.stopping = threading.Event()  # type: ignore[attr-defined]
    thread = threading.Thread(target=listener.serve_forever, args=(0.02,))
    thread.start()
    yield f"http://127.0.0.1:{listener.server_address[1]}"
    listener.stopping.set()  # type: ignore[attr-defined]
    listener.shutdown()
    listener.server_close()
    thread.join()


def test_downloads(server: str) -> None:
    assert download(f"{server}/ok?token=a%2Fb&w=1") == BODY + b"/ok?token=a%2Fb&w=1"


def test_letters_that_http_does_not_allow_are_encoded(server: str) -> None:
    assert download(f"{server}/café 50%25.png?q=ä#top") == BODY + b"/caf%C3%A9%2050%25.png?q=%C3%A4"


def test_redirects_are_followed_to_a_limit(server: str) -> None:
    assert download(f"{server}/hop/{MAX_REDIRECTS - 1}") == BODY + b"/ok"
    for path in (f"/hop/{MAX_REDIRECTS}", "/round"):
        with pytest.raises(SourceError, match=rf"{path}: the server answered 302") as caught:
            download(server + path)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/x.png", "gopher://127.0.0.1/"])
def test_redirects_lead_to_the_web_only(server: str, target: str) -> None:
    with pytest.raises(SourceError, match=r"/to\?"):
        download(f"{server}/to?{target}")


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/x.png", "data:,x"])
def test_other_addresses_are_not_opened(target: str) -> None:
    with pytest.raises(SourceError, match="unknown url type"):
        download(target)


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/missing", "the server answered 404 Not Found"),
        ("/short", "ended after 9 of 100 bytes"),
        ("/long", "more than 5000 bytes"),
        ("/promise", "more than 5000 bytes"),
        ("/drip", "took longer than 0.3 seconds"),
        ("/silent", "took longer than 0.3 seconds"),
    ],
)
def test_failures_name_the_address(server: str, path: str, says: str) -> None:
    with pytest.raises(SourceError, match=f"{server}{path}.*{says}"):
        download(server + path, seconds=0.3, max_bytes=5000)


def test_nobody_there() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(SourceError, match=f"http://127.0.0.1:{port}/x.png cannot be reached"):
        download(f"http://127.0.0.1:{port}/x.png")


@pytest.mark.parametrize("address", ["http://", "http://[::1/x.png", "http://host:port/x.png", "http://a b/x", "http://" + "ä" * 80 + "/x"])
def test_broken_addresses(address: str) -> None:
    with pytest.raises(SourceError, match="http://"):
        download(address)
