"""One connection to a service: requests, streams of lines, events; what was refused comes back as our own errors."""

from __future__ import annotations

import json
import math
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx2
from pydantic import BaseModel, ValidationError

from nixos_workspaces import errors
from nixos_workspaces.schemas.environments import (
    PackageList,
    TemplateAnswer,
    TemplateList,
)
from nixos_workspaces.schemas.service import CollectedAnswer, HealthAnswer

A = TypeVar("A", bound=BaseModel)

_BY_STATUS: Mapping[int, type[errors.WorkspacesError]] = {
    400: errors.InvalidInput,
    401: errors.Unauthenticated,
    403: errors.Forbidden,
    404: errors.NotFound,
    409: errors.Conflict,
    412: errors.Conflict,
    413: errors.InvalidInput,
    415: errors.InvalidInput,
    416: errors.InvalidInput,
    422: errors.InvalidInput,
    429: errors.LimitExceeded,
    502: errors.RuntimeFailed,
    503: errors.Unavailable,
    507: errors.InsufficientResources,
}
_BY_CODE: Mapping[str, type[errors.WorkspacesError]] = {
    kind.default_code: kind for kind in errors.WorkspacesError.__subclasses__()
}


def read_answer(kind: type[A], stated: object) -> A:
    """Return an answer as its type; ``Unavailable`` for one that a service of another version gives."""
    try:
        return kind.model_validate(stated)
    except ValidationError as strange:
        message = "The service's answer cannot be read: it is of another version than this client. Update one of them."
        raise errors.Unavailable(message, code="service_version") from strange


def _tls(certificate: str | Path | None) -> ssl.SSLContext:
    """Return what decides whether a service's certificate is right."""
    if not certificate:
        return ssl.create_default_context()
    # That very certificate, whoever signed it and whatever address the service was asked at.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    try:
        context.load_verify_locations(certificate)
    except OSError as unreadable:
        raise errors.InvalidInput(f"The certificate {certificate} cannot be read: {unreadable}.") from unreadable
    return context


class Connection:
    """One connection to a service; a context manager."""

    def __init__(
        self, url: str, token: str = "", *, timeout: float = 60.0, certificate: str | Path | None = None
    ) -> None:
        """Connect to ``url``; over TLS the certificate must be the one in the file ``certificate``, if one is given.

        Without, it must be one of the host that the system trusts.
        """
        self.url = url.rstrip("/")
        self.certificate = str(certificate or "")
        self.tls = _tls(certificate) if self.url.lower().startswith("https:") else None
        self.authorization = f"Bearer {token}" if token else ""
        """The header of that name for connections of their own. Holds a secret: never log it."""
        self._headers = {"Authorization": self.authorization} if token else {}
        # Without TLS one that trusts nobody: reading the certificates of the system takes most of opening a connection.
        verify = self.tls or ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._http = httpx2.Client(
            base_url=self.url, headers=self._headers, timeout=timeout, trust_env=False, verify=verify
        )

    def __enter__(self) -> Self:
        """Return the connection itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go of the connection."""
        self.close()

    def close(self) -> None:
        """Let go of the connection."""
        self._http.close()

    def call(
        self,
        method: str,
        path: str,
        *,
        body: object = None,
        query: Mapping[str, str | int] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """Send one request and return the JSON of its answer; raise what the service refused it with."""
        if isinstance(body, Mapping):
            for name, value in body.items():
                if isinstance(value, float) and not math.isfinite(value):
                    raise errors.InvalidInput(f"{name}: {value} is not a number.", field=name)
        with self._reaching():
            answer = self._http.request(method, path, json=body, params=query, headers=headers)
        if not answer.is_success:
            raise error_of(answer.status_code, answer.content)
        return answer.json() if answer.content else None

    def lines(self, path: str, query: Mapping[str, str | int] | None = None) -> Iterator[Any]:
        """Yield the JSON of each line of an endless answer."""
        patient = httpx2.Timeout(60.0, read=None)
        with (
            self._reaching(),
            self._http.stream("GET", path, params=query, timeout=patient) as answer,
        ):
            if not answer.is_success:
                raise error_of(answer.status_code, answer.read())
            for line in answer.iter_lines():
                item = json.loads(line)
                if "error" in item:
                    raise errors.WorkspacesError(item["error"]["message"], code=item["error"]["code"])
                yield item

    def download(self, path: str) -> Iterator[bytes]:
        """Yield the bytes of an answer that is a file."""
        with self._reaching(), self._http.stream("GET", path, timeout=60.0) as answer:
            if not answer.is_success:
                raise error_of(answer.status_code, answer.read())
            yield from answer.iter_bytes()

    def templates(self) -> list[TemplateAnswer]:
        """Return every template."""
        return read_answer(TemplateList, self.call("GET", "/api/nixos/templates")).templates

    def packages(self, query: str, limit: int = 50) -> PackageList:
        """Search the package set in force."""
        return read_answer(PackageList, self.call("GET", "/api/nixos/packages", query={"query": query, "limit": limit}))

    def health(self) -> HealthAnswer:
        """Return how each part of the service is doing."""
        return read_answer(HealthAnswer, self.call("GET", "/api/nixos/health"))

    def collect_garbage(self) -> CollectedAnswer:
        """Delete what no workspace needs any more from the store."""
        return read_answer(CollectedAnswer, self.call("POST", "/api/nixos/collect-garbage"))

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        """Turn what goes wrong on the way into one of our errors."""
        try:
            yield
        except httpx2.InvalidURL as wrong:
            raise errors.InvalidInput(f"{self.url!r} is not the URL of a service.", field="url") from wrong
        except httpx2.TransportError as lost:
            raise errors.Unavailable(
                f"The service does not answer at {self.url} ({type(lost).__name__}). `nixws up` starts it."
            ) from lost


def error_of(status: int, content: bytes) -> errors.WorkspacesError:
    """Return the error that an answer states, as the class that it was refused with."""
    try:
        stated = json.loads(content)["error"]
        code, message, field = str(stated["code"]), str(stated["message"]), stated.get("field")
    except (ValueError, KeyError, TypeError):
        return errors.Unavailable(
            f"The service answered with status {status} and no error of ours; is it this service?"
        )
    kind = _BY_CODE.get(code) or _BY_STATUS.get(status, errors.WorkspacesError)
    return kind(message, code=code, field=field)
