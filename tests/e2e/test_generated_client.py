"""A stranger's generator makes a client from the gateway's documents, and that client works."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.processes import BIN, Serving, clean_environment, run, serving

pytestmark = pytest.mark.e2e

# The generator knows no video/mp4 by itself; its own option tells it that these are bytes.
CONFIGURATION = """
post_hooks: []
content_type_overrides:
  video/mp4: application/octet-stream
"""

A_JOB = """
import sys, time

from made.api.hunyuan_video import submit_hunyuan_video
from made.api.requests import get_request_status
from made.client import AuthenticatedClient
from made.models import Accepted, HunyuanVideoInput, HunyuanVideoInputResolution, Job, ValidationError

client = AuthenticatedClient(
    base_url=sys.argv[1], token="any-key", prefix="", auth_header_name="Ocp-Apim-Subscription-Key"
)
with client:
    refused = submit_hunyuan_video.sync(client=client, body=HunyuanVideoInput(prompt=" "))
    assert isinstance(refused, ValidationError), refused
    body = HunyuanVideoInput(prompt="a cat", resolution=HunyuanVideoInputResolution.VALUE_0)
    accepted = submit_hunyuan_video.sync(client=client, body=body)
    assert isinstance(accepted, Accepted), accepted
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        job = get_request_status.sync(request_id=accepted.request_id, client=client)
        assert isinstance(job, Job), job
        if job.status == "COMPLETED":
            print(job.status.value, job.output.media_type, len(job.output.media_url))
            break
"""

# The generated classes send every documented default along, so each default has to be accepted.
EVERY_DEFAULT = """
import importlib, sys

from made import models
from made.client import AuthenticatedClient

picture = "https://example.com/a.png"
bodies = {
    "hunyuan_video": models.HunyuanVideoInput("a"),
    "hunyuan_video_image_to_video": models.HunyuanVideoImageToVideoInput("a", picture),
    "hunyuan_video_video_to_video": models.HunyuanVideoVideoToVideoInput("a", picture),
    "hunyuan_image": models.HunyuanImageInput("a"),
    "hunyuan3d_3_0_api_294": models.Hunyuan3D30Api294Input(picture),
    "hunyuan_image_3_0_instruct": models.HunyuanImage30InstructInput("a"),
    "pixverse_v6_text_to_video": models.PixverseV6TextToVideoInput("a"),
    "pixverse_v6_image_to_video": models.PixverseV6ImageToVideoInput("a", picture),
    "pixverse_c1_text_to_video": models.PixverseC1TextToVideoInput("a"),
    "pixverse_c1_image_to_video": models.PixverseC1ImageToVideoInput("a", picture),
}
client = AuthenticatedClient(
    base_url=sys.argv[1], token="any-key", prefix="", auth_header_name="Ocp-Apim-Subscription-Key"
)
with client:
    for name, body in bodies.items():
        submit = importlib.import_module(f"made.api.{name}.submit_{name}")
        answer = submit.sync(client=client, body=body)
        assert isinstance(answer, models.Accepted), (name, body.to_dict(), answer)
print(len(bodies))
"""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with serving(tmp_path_factory.mktemp("gateway"), "--speed", "1000", "--media", "small") as running:
        yield running


def generate(gateway: Serving, provider: str, cwd: Path) -> str:
    """Generate the package `made`; what the generator said."""
    (cwd / "generator.yaml").write_text(CONFIGURATION, encoding="utf-8")
    document = f"{gateway.url}/_mock/openapi/{provider}.json"
    done = run(
        [
            str(BIN / "openapi-python-client"),
            "generate",
            *("--url", document, "--output-path", "made", "--meta", "none", "--config", "generator.yaml"),
        ],
        cwd,
        clean_environment(NO_PROXY="*"),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def run_program(text: str, gateway: Serving, cwd: Path) -> str:
    (cwd / "program.py").write_text(text, encoding="utf-8")
    done = run([sys.executable, "program.py", gateway.url], cwd, clean_environment(NO_PROXY="*"))
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("provider", ["pixazo", "segmind", "wavespeed"])
def test_a_client_can_be_generated_and_nothing_is_left_out(
    gateway: Serving, tmp_path: Path, provider: str
) -> None:
    said = generate(gateway, provider, tmp_path)
    assert "WARNING" not in said.upper()
    modules = [path.stem for path in (tmp_path / "made" / "api").rglob("*.py") if path.stem != "__init__"]
    least = {"pixazo": 14, "segmind": 1, "wavespeed": 3}
    assert len(modules) >= least[provider]


def test_the_generated_client_takes_a_job_to_its_end_and_its_defaults_are_accepted(
    gateway: Serving, tmp_path: Path
) -> None:
    generate(gateway, "pixazo", tmp_path)
    assert run_program(A_JOB, gateway, tmp_path) == "COMPLETED video/mp4 1\n"
    assert run_program(EVERY_DEFAULT, gateway, tmp_path) == "10\n"
