"""What this package adds to the command line: `check`, `rules`, `watch`; the verdict of `run --check`."""

from understudy_contracts.check import check
from understudy_contracts.judge import judge_world
from understudy_contracts.live import LiveJudge
from understudy_contracts.options import CHECKS, FLAGS_ALONE
from understudy_contracts.rules.command import rules
from understudy_contracts.watch import watch
from understudy_mock.extension import Extension

EXTENSION = Extension(
    commands=(check, rules, watch),
    judge=judge_world,
    live=LiveJudge,
    options={"check": CHECKS},
    only_by_hand=FLAGS_ALONE,
)
