"""What a replay says: at the start what there is and what is lacking, at the end what was missed."""

from __future__ import annotations

from collections import Counter

from understudy_mock.har.recording import Recording
from understudy_mock.replay.distil import Repertoire, Take
from understudy_mock.replay.replay import Replay

_NAMED = 5


def at_start(recording: Recording, repertoire: Repertoire) -> list[str]:
    """Say what a recording holds, and what it does not."""
    jobs = [take for take in repertoire.takes if take.job]
    refused = [take for take in repertoire.takes if not take.job]
    calls = sum(len(entries) for entries in repertoire.lookups.values())
    files = ", ".join(path.name for path in recording.paths)
    lines = [
        f"{files or 'a recording'}: {_count(len(jobs), 'job')}, "
        f"{_count(len(refused), 'submit')} without one, {_count(calls, 'other call')}",
    ]
    models = Counter(f"{take.operation.provider} {_model(take)}" for take in repertoire.takes)
    lines = [*recording.notes, *lines]
    lines += [f"  {name} ×{number}" for name, number in models.most_common()]
    accounts = sorted({(take.operation.provider, take.account) for take in repertoire.takes})
    keys = Counter(provider for provider, _ in accounts)
    lines += [
        f"  recorded with {number} keys of {provider}; here each key meets the jobs of all, in their order"
        for provider, number in keys.items()
        if number > 1
    ]
    if open_ends := repertoire.unfinished():
        lines.append(
            f"  no end was recorded, so these stay as they are last seen: {_listed(repertoire, open_ends)}"
        )
    if silent := [take for take in jobs if take.rings_asked and not take.rings]:
        names = _listed(repertoire, silent)
        lines.append(f"  callbacks were asked for and none was recorded, so none will come: {names}")
    if any(b"webhook-signature" in dict(r.entry.request_headers) for take in jobs for r in take.rings):
        lines.append(
            "  callbacks are signed anew, and well: whether the recorded signatures were good cannot be told"
        )
    absent = [path for path, kept in repertoire.files.items() if not kept.whole]
    if absent:
        lines.append(
            f"  {_count(len(absent), 'result file')} not recorded: 404 (or --media small: a tiny file)"
        )
    cut = [
        take
        for take in repertoire.takes
        if take.file is None and len(take.submit.response_body) < take.submit.response_size
    ]
    if cut:
        lines.append(
            f"  the answers to these submits were cut when they were recorded: {_listed(repertoire, cut)}"
        )
    if any(key[0] in _uploads(repertoire) for key in repertoire.lookups):
        lines.append("  uploads are answered as they were recorded, whatever is in them")
    if recording.elsewhere:
        lines.append(f"  {_count(recording.elsewhere, 'exchange')} with other hosts left out")
    return lines


def at_end(replay: Replay) -> list[str]:
    """Say which calls nothing answered, and what was never asked for."""
    lines = []
    if replay.misses:
        lines.append(f"{_count(replay.misses.total(), 'call')} that no recording answers:")
        lines += [f"  ×{number} {text}" for text, number in replay.misses.most_common()]
    unused = [take for take in replay.repertoire.takes if take.number not in replay.used]
    if unused:
        lines.append(f"never asked for: {_listed(replay.repertoire, unused)}")
    return lines


def _uploads(repertoire: Repertoire) -> set[str]:
    return {surface for (_, surface) in repertoire.surfaces.items() if "upload" in surface}


def _listed(repertoire: Repertoire, takes: list[Take]) -> str:
    named = ", ".join(f"{repertoire.place(take.submit)} ({_model(take)})" for take in takes[:_NAMED])
    return named if len(takes) <= _NAMED else f"{named} and {len(takes) - _NAMED} more"


def _model(take: Take) -> str:
    return take.operation.model.id if take.operation.model is not None else take.operation.id


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
