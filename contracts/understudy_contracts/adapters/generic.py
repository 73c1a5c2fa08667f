"""The adapter of a client that knows no provider: it reads each one's folder, and calls by what that says.

understudy check client --specs DIR -- python -m understudy_contracts.adapters.generic DIR
"""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from understudy_contracts.adapters.lines import Fields, speak
from understudy_contracts.adapters.reference import Reference
from understudy_contracts.client import PROVIDERS, Media, Snapshot, State, WebhookMode
from understudy_contracts.client.provider import (
    Provider,
    Submit,
    Unreadable,
    encode,
    error_text,
    read_object,
)
from understudy_contracts.client.stamps import read_stamp
from understudy_mock.catalog import Catalog, open_catalog
from understudy_mock.domain.model import Operation
from understudy_mock.wording import Reads, Told, Wording, wordings_of

_NO_CREDIT = re.compile(r"(insufficient|exhausted) (credit|balance)|top up", re.IGNORECASE)

_AT_ONCE = " at once"
"""The end of a provider's name where the answer to a submit is the file itself."""


class Described(Provider):
    """A provider as its folder describes it. `at_once` submits where the answer is the file itself."""

    submit_timeout = 600.0

    def __init__(self, catalog: Catalog, wording: Wording, *, at_once: bool = False) -> None:
        own = [one for one in catalog.operations if one.provider == wording.name and not one.alias]
        self.name = wording.name + _AT_ONCE * at_once
        self.base_url = str(catalog.documents[wording.name]["servers"][0]["url"])
        self.retry_header = wording.reads.retry_header
        self._wording = wording
        self._reads: Reads = wording.reads
        self._submits = [one for one in own if one.role == "submit" and (one.answers == "media") is at_once]
        self._status = next((one for one in own if one.role == "status" and one.method == "GET"), None)
        self._result = next((one for one in own if one.role == "result" and one.job), None)
        self.poll_interval = (self._status.poll_seconds if self._status is not None else None) or 1.0

    @property
    def takes_submits(self) -> bool:
        """Whether there is anything to submit to."""
        return bool(self._submits)

    def key_headers(self, key: str) -> dict[str, str]:
        """Return the header that carries the key."""
        credential = self._submits[0].credentials[0]
        if credential.place == "bearer":
            return {"Authorization": f"Bearer {key}"}
        return {credential.name.decode(): key}

    def submit(
        self, model: str, body: Mapping[str, Any], webhook_url: str | None, mode: WebhookMode
    ) -> Submit:
        """Return a submit of a model."""
        found = (one for one in self._submits if one.model is not None and one.model.id == model)
        operation = next(found, None)
        if operation is None:
            raise ValueError(f"{self.name} has no model {model!r}")
        headers, params = {"Content-Type": "application/json"}, {}
        if webhook_url is not None and operation.webhook_header:
            headers |= {"X-Webhook-URL": webhook_url, "X-Webhook-Mode": mode}
        elif webhook_url is not None and operation.webhook_query:
            params[operation.webhook_query] = webhook_url
        elif webhook_url is not None:
            raise ValueError(f"{self.name} has no callbacks")
        return Submit(operation.path, encode(body), headers, params)

    def poll_path(self, job_id: str) -> str:
        """Return the path of a job's status."""
        return _path(self._status, job_id)

    def result_path(self, job_id: str) -> str:
        """Return the path of the result of a job that is ready."""
        return _path(self._result or self._status, job_id)

    def meaning(self, answer: httpx.Response) -> int:
        """Return what an answer means: an error may come as 200, and the end of a job as an error."""
        status, told = answer.status_code, self._told(answer)
        if told is not None and told.job:
            return 200 if self._reads.tells_failure(status) else status
        if told is not None and self._reads.tells_failure(status) and told.end == "FAILED":
            return 200
        if status == 200 and 400 <= (inner := self._reads.status(_json(answer))) <= 599:
            status = inner
        if status in (400, 403, 406) and _NO_CREDIT.search(error_text(answer)):
            return 402
        return 415 if status == 406 and "content type" in error_text(answer).lower() else status

    def read_submit(self, answer: httpx.Response) -> Snapshot:
        """Read a new job, a job that has ended already, or the file itself."""
        job = self._reads.job(_json(answer), _headers(answer))
        kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
        if self.name.endswith(_AT_ONCE) and kind != "application/json":
            if kind.startswith("text/") or not answer.content:
                raise Unreadable(f"a file was expected, {kind or 'nothing'} came")
            return Snapshot(job, "", State.COMPLETED, (Media("", kind, answer.content),))
        read_object(answer.content)
        told = self._told(answer)
        if told is None and job:
            return Snapshot(job, "", State.PENDING, poll_url=self._reads.poll_url(_json(answer)))
        return self._snapshot(told, job, is_submit=True)

    def read_poll(self, answer: httpx.Response) -> Snapshot:
        """Read where a job is, or its result, which need not name it."""
        read_object(answer.content)
        return self._snapshot(self._told(answer), self._asked(answer))

    def read_callback(self, body: Mapping[str, Any]) -> Snapshot:
        """Read a callback."""
        return self._snapshot(self._reads.told(body), "", is_callback=True)

    def authentic(self, headers: Mapping[str, str], body: bytes, secret: str, now: float) -> bool:
        """Check the signature and its age, where callbacks are signed."""
        sent = {name.lower().encode(): value.encode("latin-1") for name, value in headers.items()}
        stamped, tolerance = self._wording.stamped(sent), self._wording.tolerance
        if stamped is not None and tolerance is not None and abs(now * 1000 - stamped) > tolerance:
            return False
        return self._wording.is_genuine(secret, sent, body) is not False

    def _told(self, answer: httpx.Response) -> Told | None:
        return self._reads.told(_json(answer), _headers(answer))

    def _asked(self, answer: httpx.Response) -> str:
        """Return the job that a call was about, by its address; "" where that does not say."""
        path = answer.request.url.path
        for operation in (self._status, self._result):
            if operation is not None and operation.job:
                before, _, after = operation.path.partition(f"{{{operation.job}}}")
                if before in path and path.endswith(after):
                    return path.rpartition(before)[2].removesuffix(after)
        return ""

    def _snapshot(
        self, told: Told | None, asked: str, *, is_submit: bool = False, is_callback: bool = False
    ) -> Snapshot:
        job = (told.job if told is not None else "") or asked
        # A result that is the answer to its submit need not name its job: nobody will ask for it.
        if told is None or not (job or (is_submit and told.urls)):
            raise Unreadable("it does not say which job it is about, or where that is")
        state = {"COMPLETED": State.COMPLETED, "FAILED": State.FAILED}.get(told.end, State.PENDING)
        # Where the result has an address of its own, the files are there.
        ready = state is State.COMPLETED and not told.urls and self._result is not None
        kind = told.media_type or _ANY
        return Snapshot(
            job_id=job,
            status=told.word,
            state=State.PENDING if ready else state,
            media=tuple(Media(_address(url), kind, flagged=told.flagged) for url in told.urls),
            error=told.error,
            code=told.code,
            poll_url=told.poll_url,
            result_url=told.result_url,
            ready=ready and not is_callback,
            created_at=read_stamp(told.created),
            completed_at=read_stamp(told.completed),
        )


_ANY = "application/octet-stream"


def _address(output: str) -> str:
    """Return an address, made of a file in base64 where that stands in its place."""
    is_address = output.startswith(("http://", "https://", "data:"))
    return output if is_address else f"data:{_ANY};base64,{output}"


def _path(operation: Operation | None, job_id: str) -> str:
    if operation is None:
        raise ValueError("there are no jobs to ask for: the answer is the result")
    return operation.path.replace(f"{{{operation.job}}}", quote(job_id, safe=""))


def _json(answer: httpx.Response) -> Any:
    try:
        return read_object(answer.content)
    except Unreadable:
        return None


def _headers(answer: httpx.Response) -> dict[str, str]:
    return {name.lower(): value for name, value in answer.headers.items()}


class Generic(Reference):
    """The reference client with providers that are read from their folders."""

    def __init__(self, catalog: Catalog) -> None:
        super().__init__()
        self._described: dict[str, Described] = {}
        for wording in wordings_of(catalog).values():
            for at_once in (False, True):
                provider = Described(catalog, wording, at_once=at_once)
                if provider.takes_submits:
                    self._described[provider.name] = provider
        self._names = list(dict.fromkeys(name.removesuffix(_AT_ONCE) for name in self._described))

    def hello(self) -> Fields:
        """Return what it can do: what the reference client can, at every provider."""
        return {**super().hello(), "client": {"name": "generic", "version": "1"}, "providers": self._names}

    def called(self, case: Fields) -> str:
        """Return the client's name of the provider, and make it known to the client."""
        name = str(case["provider"])
        if case["mode"] == "sync" and f"{name}{_AT_ONCE}" in self._described:
            name += _AT_ONCE
        PROVIDERS[f"generic {name}"] = self._described[name]
        return f"generic {name}"


if __name__ == "__main__":
    asyncio.run(speak(Generic(open_catalog(tuple(map(Path, sys.argv[1:]))))))
