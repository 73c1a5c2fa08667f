"""`python -m understudy_mock` is the command `understudy`."""

from understudy_mock.cli import main

main(prog_name="understudy")
