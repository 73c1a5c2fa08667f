"""Options come from variables and `understudy.toml`, too; what is not understood is an error."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from understudy_contracts.options import CHECKS, FLAGS_ALONE
from understudy_mock.cli import main
from understudy_mock.commands.common import check_directory
from understudy_mock.options import environment_of_children, name_in_file, variable

EXAMPLE = Path(__file__).parents[2] / "fixtures/recordings/three-providers.har"
CASE = "lifecycle/completes/pixazo/poll"


def run(*arguments: str, **variables: str) -> Result:
    told = {f"UNDERSTUDY_{name}": value for name, value in variables.items()}
    return CliRunner(env=told).invoke(main, arguments)


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_options_of_check_are_those_of_its_commands() -> None:
    """What is known without importing the commands is what they take."""
    group = main.commands["check"]
    assert isinstance(group, click.Group)
    with click.Context(group) as context:
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            assert command is not None
            taken = {one.name for one in command.params if isinstance(one, click.Option)}
            assert taken == {one.name for one in CHECKS[name]}


def test_every_option_of_every_command_has_a_variable() -> None:
    """All but what spends money; `--keep-jobs` is UNDERSTUDY_KEEP_JOBS."""
    run("spec", "--help")
    options = [one for held in CHECKS.values() for one in held]
    options += [
        one for each in main.commands.values() for one in each.params if isinstance(one, click.Option)
    ]
    settable = [one for one in options if name_in_file(one) not in FLAGS_ALONE]
    assert [one.name for one in settable if one.envvar != variable(one)] == []


def test_a_variable_sets_an_option_of_check_client() -> None:
    result = run("check", "client", "--list", CASE=CASE)
    assert (result.exit_code, result.output.split("\n")[0]) == (0, CASE)


def test_a_list_in_the_file_sets_one_too_and_the_command_line_wins() -> None:
    Path("understudy.toml").write_text('case = ["lifecycle"]\nprovider = "pixazo"\n')
    told = run("check", "client", "--list").output.split("\n")[::2]
    assert {line.split("/")[2] for line in told if line} == {"pixazo"}
    assert run("check", "client", "--list", "--case", CASE).output.split("\n")[0] == CASE


def test_a_flag_of_run_can_be_a_variable() -> None:
    """That the check was made is said, and that it found nothing to judge."""
    command = [
        sys.executable,
        "-c",
        "from understudy_mock.cli import main; main()",
    ]  # run takes its process's signals
    told = {**os.environ, "UNDERSTUDY_CHECK": "1"}
    result = subprocess.run(
        [*command, "run", "--", "true"], env=told, capture_output=True, text=True, check=False
    )
    assert (result.returncode, "check: there were no calls" in result.stderr) == (2, True)


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("EXAMPLES", "many", "'many' is not a valid integer range"),
        ("PACE", "fast", "'fast' is not one of"),
        (
            "EXAMPELS",
            "5",
            "unknown environment variable UNDERSTUDY_EXAMPELS; did you mean UNDERSTUDY_EXAMPLES?",
        ),
        ("LIVE", "1", "unknown environment variable UNDERSTUDY_LIVE"),
    ],
)
def test_a_malformed_or_unknown_variable_is_an_error_of_check_server(
    name: str, value: str, told: str
) -> None:
    result = run("check", "server", **{name: value})
    assert result.exit_code == 2
    assert told in result.stderr


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("exampels = 5", "/exampels: unknown option; did you mean examples?"),
        ("live = true", "/live: unknown option"),
        ("examples = [5]", "/examples: must be one value"),
        ('case = "lifecycle"', "/case: must be a list"),
        ('examples = "many"', "'many' is not a valid integer range"),
        ("examples = " + "9" * 5000, "understudy.toml: Exceeds the limit"),
        ("examples = " + "[" * 5000, "lists and tables are nested too deeply"),
        ("examples = 2024-10-01", "/examples: 2024-10-01 is read as a date; put it in quotes"),
        ("case = ['a', 10:00:00]", "/case: 10:00:00 is read as a time; put it in quotes"),
        ("examples = inf", "/examples: inf is read as a float; put it in quotes"),
        ("case = [[1]]", "/case: [1] is read as a list; put it in quotes"),
    ],
)
def test_a_malformed_or_unknown_line_of_the_file_is_an_error(line: str, told: str) -> None:
    Path("understudy.toml").write_text(line + "\n")
    result = run("check", "server")
    assert result.exit_code == 2
    assert told in result.stderr


def test_settings_of_check_are_known_without_importing_schemathesis() -> None:
    """`serve` starts at once also where a folder's settings are those of `check server`."""
    Path("understudy.toml").write_text('examples = 5\nreceiver = "http://127.0.0.1:9/"\n')
    program = (
        "import sys; from understudy_mock.cli import main; main(['scenarios'], standalone_mode=False);"
        "sys.exit('schemathesis' in sys.modules or 'understudy_contracts.server' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("directory", ["/dev/null/x", "/proc/x", "file/x"])
@pytest.mark.parametrize(
    "command",
    [
        ("check", "server", "--report-dir"),
        ("check", "client", "--report-dir"),
        ("check", "client", "--explore", "2", "--save-dir"),
        ("check", "recording", str(EXAMPLE), "--report-dir"),
        ("run", "--check", "--report-dir"),
    ],
)
def test_a_directory_that_cannot_be_written_is_refused_before_the_run(
    command: tuple[str, ...], directory: str
) -> None:
    """In one line that names the option, with status 2."""
    Path("file").touch()
    child = () if command[1] in ("server", "recording") else ("--", "no-such-program")
    result = run(*command, directory, *child)
    assert result.exit_code == 2, result.output
    assert f"Error: {command[-1]} {directory} cannot be written: " in result.output
    assert len(result.output.strip().splitlines()) == 1


def test_a_directory_is_not_made_before_there_is_something_to_write() -> None:
    check_directory("--report-dir", Path("deep/down"))
    assert not Path("deep").exists()


@pytest.mark.parametrize(
    ("name", "stays"),
    [
        ("UNDERSTUDY_API_KEY", False),
        ("UNDERSTUDY_API_KEY_FILE", False),
        ("UNDERSTUDY_ADMIN_TOKEN", False),
        ("UNDERSTUDY_KEY", False),
        ("UNDERSTUDY_REDACT", False),
        ("UNDERSTUDY_KEEP_JOBS", True),
        ("SEGMIND_API_KEY", True),
    ],
)
def test_a_child_gets_no_secret_of_ours_and_all_that_is_its_users(
    monkeypatch: pytest.MonkeyPatch, name: str, stays: bool
) -> None:
    monkeypatch.setenv(name, "10")
    assert (name in environment_of_children()) is stays
