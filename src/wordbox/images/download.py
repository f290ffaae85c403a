"""The bytes behind a web address, within limits of time, size and redirects."""

import http.client
import time
import urllib.error
import urllib.request
from typing import IO
from urllib.parse import quote, urlsplit, urlunsplit

from wordbox.errors import SourceError

SECONDS = 30.0
"""A download that takes longer is given up; the clock is read between answers and between parts of a body."""
MAX_DOWNLOAD = 256 * 2**20
"""Bytes; larger downloads are refused."""
MAX_REDIRECTS = 5


def download(address: str, *, seconds: float = SECONDS, max_bytes: int = MAX_DOWNLOAD) -> bytes:
    """What an http or https address holds. Proxies are taken from the environment.

    Follows at most MAX_REDIRECTS redirects, to http and https only. Raises SourceError, which names the address, where nothing comes, the
    server refuses, or a limit is passed.
    """
    deadline = time.monotonic() + seconds
    try:
        request = urllib.request.Request(_encoded(address), headers={"User-Agent": "wordbox", "Accept": "image/*, */*;q=0.5"})
        with _opener(deadline).open(request, timeout=seconds) as response:
            return _body(response, address, deadline, seconds, max_bytes)
    except urllib.error.HTTPError as error:
        with error:
            raise SourceError(
                f"{address}: the server answered {error.code} {' '.join(str(error.reason).split())}; check the address"
            ) from error
    except TimeoutError as error:
        raise SourceError(_too_slow(address, seconds)) from error
    except urllib.error.URLError as error:
        if isinstance(error.reason, TimeoutError):
            raise SourceError(_too_slow(address, seconds)) from error
        raise SourceError(f"{address} cannot be reached: {_line(error.reason)}") from error
    except SourceError:
        raise
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise SourceError(f"{address} cannot be read: {_line(error) or type(error).__name__}") from error


class _Redirects(urllib.request.HTTPRedirectHandler):
    max_redirections = MAX_REDIRECTS

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: http.client.HTTPMessage, newurl: str
    ) -> urllib.request.Request | None:
        if urlsplit(newurl).scheme not in ("http", "https"):
            raise SourceError(f"{req.full_url}: the server points to {newurl}; expected an address of http or https")
        if time.monotonic() > self.deadline:
            raise TimeoutError
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener(deadline: float) -> urllib.request.OpenerDirector:
    """An opener that knows http and https, and nothing else: no files, no FTP, no data addresses."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.UnknownHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        _Redirects(deadline),
        urllib.request.HTTPErrorProcessor(),
    ):
        opener.add_handler(handler)
    return opener


def _body(response: http.client.HTTPResponse, address: str, deadline: float, seconds: float, max_bytes: int) -> bytes:
    promised = int(response.headers.get("Content-Length") or 0)
    parts, held = [], 0
    while held <= max_bytes >= promised and (part := response.read1(1 << 16)):
        parts.append(part)
        held += len(part)
        if time.monotonic() > deadline:
            raise SourceError(_too_slow(address, seconds))
    if max(held, promised) > max_bytes:
        raise SourceError(f"{address} holds more than {max_bytes} bytes; download it yourself and pass the file")
    if held < promised:
        raise SourceError(f"{address}: the connection ended after {held} of {promised} bytes; try again")
    return b"".join(parts)


def _line(reason: object) -> str:
    return " ".join(str(reason).split())


def _too_slow(address: str, seconds: float) -> str:
    return f"{address} took longer than {seconds:g} seconds; download it yourself and pass the file"


def _encoded(address: str) -> str:
    """The address in the letters that HTTP allows; what is encoded already stays as it is. Raises ValueError for a broken host name."""
    parts = urlsplit(address)
    host = parts.netloc if parts.netloc.isascii() else parts.netloc.encode("idna").decode()
    path, query = (quote(part, safe="/%:=&?~+!$,;'@()*[]") for part in (parts.path, parts.query))
    return urlunsplit((parts.scheme, host, path or "/", query, ""))
