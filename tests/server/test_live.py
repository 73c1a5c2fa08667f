"""Live mode, where every submit costs money."""

from __future__ import annotations

from contracts.findings import Outcome
from contracts.receiver import Receiver
from contracts.server.gateway import gateway_settings
from contracts.server.lifecycle import subjects
from contracts.server.live import FREE, run_live
from contracts.server.promises import CHECKS
from contracts.server.spec import Api
from contracts.server.target import Target
from contracts.server.wire import Inside
from mockserver.app import create_app, create_world
from mockserver.catalog import Catalog


def test_a_live_run_makes_one_submit_a_model_and_stops_at_the_cap(catalog: Catalog) -> None:
    """What is spent stays below the cap, no model is paid twice, and nothing beyond is called passed."""
    world = create_world(gateway_settings("polls"), catalog=catalog)
    target = Target(Inside(create_app(world=world)), key="the-key", patience=0.4, stranger=True)
    receiver = Receiver()
    said: list[str] = []
    try:
        cases = list(
            run_live(subjects(target, [Api("pixazo", catalog)], receiver), 0.9, progress=said.append)
        )
    finally:
        receiver.close()
        target.close()
    jobs = list(world.store)
    assert 0 < sum(job.price for job in jobs) <= 900_000
    assert len(said) == len(jobs)
    assert said[0].endswith("of 0.9 are left")
    assert len({job.model.id for job in jobs}) == len(jobs)
    assert [case for case in cases if case.outcome in (Outcome.FAILED, Outcome.ERROR)] == []
    unpaid = {case.group for case in cases if "are left" in case.reason}
    assert len(unpaid) == 12 - len(jobs)


def test_the_free_checks_are_checks() -> None:
    """A check that is renamed does not drop out of live runs unseen."""
    assert set(FREE) <= {check.id for check in CHECKS}
