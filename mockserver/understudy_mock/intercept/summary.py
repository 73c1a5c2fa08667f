"""The summary of a run, in a few lines for people."""

from __future__ import annotations

from collections import Counter

from understudy_mock.gateway.journal import JournalEntry
from understudy_mock.gateway.world import World
from understudy_mock.intercept.handshakes import Handshakes
from understudy_mock.intercept.proxy import Tally
from understudy_mock.intercept.session import Intercepted
from understudy_mock.redaction import Redactor, redactor_of


def summarise(world: World, intercepted: Intercepted) -> str:
    """Return jobs, calls, webhooks, errors, and the calls that went elsewhere, as lines of text."""
    entries = list(world.journal.since(0))
    calls = [entry for entry in entries if entry.kind == "call"]
    jobs = Counter(job.model.provider for job in world.store)
    # Collect keys from all calls: a call without an operation may show a key that nothing else has read.
    clean = redactor_of(calls, world.settings.api_keys)
    errors = Counter(f"{entry.status} {_called(entry, clean)}" for entry in calls if entry.status >= 400)
    faults = Counter(f"{entry.fault} {_called(entry, clean)}" for entry in calls if entry.fault)
    sent = [entry for entry in entries if entry.kind == "delivery"]
    received = sum(200 <= entry.status < 300 for entry in sent)
    lines = [
        f"understudy: {_count(jobs.total(), 'job')}{_split(jobs)}, {_count(len(calls), 'call')}, "
        f"{received} of {_count(len(sent), 'webhook attempt')} received"
    ]
    lines += _listed("error answers", errors)
    lines += _listed("faults played", faults)
    lines += refusals(intercepted.handshakes)
    # An unused connection means nothing if calls to the same host came, too.
    called = {_address(entry).partition("//")[2].partition("/")[0].partition(":")[0] for entry in calls}
    opened = intercepted.handshakes.unused
    unused = Counter({host: count for host, count in opened.items() if count > 0 and host not in called})
    lines += _listed("connected without a call, like a program that does not trust the certificate", unused)
    lines += _elsewhere(intercepted.tally)
    lines += _listed("could not be reached", intercepted.tally.unreached)
    lines += _listed("calls refused (--offline)", intercepted.tally.refused)
    if intercepted.nothing:
        lines.append("  NO_PROXY excludes every host: nothing was intercepted")
    elif intercepted.left_out:
        lines.append(f"  NO_PROXY excludes: {', '.join(intercepted.left_out)}")
    return "\n".join(lines)


def refusals(handshakes: Handshakes) -> list[str]:
    """Return a line about the hosts whose certificate the program does not trust, if any."""
    hosts = ", ".join(f"{host} ×{count}" for host, count in handshakes.refused.most_common())
    why = "the program does not use the file that SSL_CERT_FILE or a similar variable names"
    return [f"  refused the certificate: {hosts} ({why})"] if hosts else []


def _elsewhere(tally: Tally) -> list[str]:
    # Only the start of a direct connection is seen, not the calls on it.
    counts = (tally.passed + tally.direct).most_common()
    places = [f"{place} ×{'at least ' if place in tally.direct else ''}{count}" for place, count in counts]
    return [f"  calls that went elsewhere: {', '.join(places)}"] if places else []


def _address(entry: JournalEntry) -> str:
    # Without TLS the journal has only the path; add the host, so that people find what their program called.
    if not entry.url.startswith("/"):
        return entry.url
    host = next((value.decode("latin-1") for name, value in entry.request_headers if name == b"host"), "")
    return f"http://{host}{entry.url}" if host else entry.url


def _called(entry: JournalEntry, clean: Redactor) -> str:
    # Without the query, which may hold a key.
    return entry.operation or clean.suspicious_url(_address(entry).partition("?")[0])


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _split(counts: Counter[str]) -> str:
    return f" ({', '.join(f'{name} {count}' for name, count in counts.items())})" if counts else ""


def _listed(title: str, counts: Counter[str]) -> list[str]:
    names = ", ".join(f"{name} ×{count}" for name, count in counts.most_common())
    return [f"  {title}: {names}"] if counts else []
