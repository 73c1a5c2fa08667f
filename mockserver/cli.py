"""The gateway's own commands, as a list."""

from mockserver.commands.record import record
from mockserver.commands.replay import replay
from mockserver.commands.run import run
from mockserver.commands.serve import serve
from mockserver.commands.words import quirks, scenarios, spec

COMMANDS = (serve, run, record, replay, spec, scenarios, quirks)
