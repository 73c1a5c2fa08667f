"""What a run came to, in a few lines for people."""

from __future__ import annotations

from collections import Counter

from understudy_mock.gateway.journal import JournalEntry
from understudy_mock.gateway.world import World
from understudy_mock.intercept.handshakes import Handshakes
from understudy_mock.intercept.proxy import Tally
from understudy_mock.intercept.session import Intercepted
from understudy_mock.redaction import Redactor, redactor_of


def summarise(world: World, intercepted: Intercepted) -> str:
    """Tell jobs, calls, errors met, webhooks, and which calls went elsewhere."""
    entries = list(world.journal.since(0))
    calls = [entry for entry in entries if entry.kind == "call"]
    jobs = Counter(job.model.provider for job in world.store)
    # Know every key that was shown: where no operation is, nobody has read the one that stands there.
    clean = redactor_of(calls, world.settings.api_keys)
    errors = Counter(f"{entry.status} {_called(entry, clean)}" for entry in calls if entry.status >= 400)
    faults = Counter(f"{entry.fault} {_called(entry, clean)}" for entry in calls if entry.fault)
    sent = [entry for entry in entries if entry.kind == "delivery"]
    received = sum(200 <= entry.status < 300 for entry in sent)
    lines = [
        f"understudy: {_count(jobs.total(), 'job')}{_split(jobs)}, {_count(len(calls), 'call')}, "
        f"webhooks {received} received of {len(sent)} tried"
    ]
    lines += _listed("errors met", errors)
    lines += _listed("faults played", faults)
    lines += refusals(intercepted.handshakes)
    # Where calls came too, a connection that was opened and not used says nothing.
    called = {_address(entry).partition("//")[2].partition("/")[0].partition(":")[0] for entry in calls}
    opened = intercepted.handshakes.unused
    unused = Counter({host: count for host, count in opened.items() if count > 0 and host not in called})
    lines += _listed("connected and not used, as by a program that does not trust its certificate", unused)
    lines += _elsewhere(intercepted.tally)
    lines += _listed("could not be reached", intercepted.tally.unreached)
    lines += _listed("calls refused (--offline)", intercepted.tally.refused)
    if intercepted.nothing:
        lines.append("  NO_PROXY keeps every host from the gateway: nothing was intercepted")
    elif intercepted.left_out:
        lines.append(f"  NO_PROXY kept these from the gateway: {', '.join(intercepted.left_out)}")
    return "\n".join(lines)


def refusals(handshakes: Handshakes) -> list[str]:
    """Tell whose certificate the program does not trust, in a line at most."""
    hosts = ", ".join(f"{host} ×{count}" for host, count in handshakes.refused.most_common())
    why = "the program does not trust the file that SSL_CERT_FILE names, nor any of the like variables"
    return [f"  refused the certificate: {hosts} ({why})"] if hosts else []


def _elsewhere(tally: Tally) -> list[str]:
    # A direct connection is seen when it begins, not what is said on it.
    counts = (tally.passed + tally.direct).most_common()
    told = [f"{place} ×{'at least ' if place in tally.direct else ''}{count}" for place, count in counts]
    return [f"  calls that went elsewhere: {', '.join(told)}"] if told else []


def _address(entry: JournalEntry) -> str:
    # In clear a journal keeps the path alone; a program that called by a provider's name is to find it here.
    if not entry.url.startswith("/"):
        return entry.url
    host = next((value.decode("latin-1") for name, value in entry.request_headers if name == b"host"), "")
    return f"http://{host}{entry.url}" if host else entry.url


def _called(entry: JournalEntry, clean: Redactor) -> str:
    # What follows ? is left out: there may be a key in it.
    return entry.operation or clean.suspicious_url(_address(entry).partition("?")[0])


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _split(counts: Counter[str]) -> str:
    return f" ({', '.join(f'{name} {count}' for name, count in counts.items())})" if counts else ""


def _listed(title: str, counts: Counter[str]) -> list[str]:
    return (
        [f"  {title}: " + ", ".join(f"{name} ×{count}" for name, count in counts.most_common())]
        if counts
        else []
    )
