"""Which parameters decide the size, length and number of a job's files."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy_mock.catalog import Catalog
from understudy_mock.domain.model import KEPT_OF_A_PROMPT, MediaRule, Model, SizeRule, parse_pixels, reshape

sides = st.integers(2, 4_000).map(lambda side: side * 2)
ratios = st.tuples(st.integers(1, 32), st.integers(1, 32))


@given(sides, sides, ratios)
def test_another_shape_keeps_the_short_side_and_comes_near_the_ratio(
    width: int, height: int, ratio: tuple[int, int]
) -> None:
    across, down = ratio
    short, long = sorted(reshape(width, height, f"{across}:{down}"))
    assert short == min(width, height)
    assert short % 2 == long % 2 == 0
    if sorted(ratio) == [9, 16]:
        assert long == max(width, height)
    else:
        assert abs(long - short * max(ratio) / min(ratio)) <= 2


@given(sides, sides, ratios)
def test_a_shape_lies_or_stands_as_asked(width: int, height: int, ratio: tuple[int, int]) -> None:
    across, down = ratio
    made = reshape(width, height, f"{across}:{down}")
    if across > down:
        assert made[0] >= made[1]
    else:
        assert made[0] <= made[1]


@given(sides, sides, st.sampled_from(["", "auto", "16", "16:", ":9", "0:9", "9:0", "a:b", "16:9:1", "-1:2"]))
def test_what_is_no_ratio_changes_nothing(width: int, height: int, aspect: str) -> None:
    assert reshape(width, height, aspect) == (width, height)


@given(st.integers(1, 999_999), st.integers(1, 999_999), st.sampled_from("x*"))
def test_sizes_in_pixels_are_read(width: int, height: int, between: str) -> None:
    assert parse_pixels(f"{width}{between}{height}") == (width, height)


@pytest.mark.parametrize("text", ["", "1280", "x720", "1280x", "0x5", "12 x 5", "1280X720", "1x2x3", "-1x2"])
def test_anything_else_is_no_size(text: str) -> None:
    assert parse_pixels(text) is None


@given(st.integers(0, 5_000), st.integers(0, 5_000))
def test_a_size_by_two_parameters_is_what_they_say(width: int, height: int) -> None:
    rule = SizeRule(width="w", height="h")
    assert rule.of({"w": width, "h": height}) == (width, height)


@given(ratios, sides, sides)
def test_videos_have_even_sides_whatever_is_asked(ratio: tuple[int, int], width: int, height: int) -> None:
    size = SizeRule(parameter="size", aspect="aspect", values={"big": (width, height)})
    rule = MediaRule(format="mp4", size=size, seconds="duration")
    made = rule.rendition({"size": "big", "aspect": f"{ratio[0]}:{ratio[1]}", "duration": 5}, 1, 0)
    assert made.width % 2 == made.height % 2 == 0
    assert made.frames == 120


def _model(catalog: Catalog, provider: str, name: str) -> Model:
    return next(m for m in catalog.models if (m.provider, m.id) == (provider, name))


@pytest.mark.parametrize(
    ("resolution", "aspect", "size"),
    [
        ("480p", "16:9", (848, 480)),
        ("480p", "9:16", (480, 848)),
        ("580p", "16:9", (1032, 580)),
        ("720p", "9:16", (720, 1280)),
    ],
)
def test_hunyuan_video_has_the_decided_sizes(
    catalog: Catalog, resolution: str, aspect: str, size: tuple[int, int]
) -> None:
    """The pixels are those that were decided on; no document gives them (assumed)."""
    model = _model(catalog, "pixazo", "hunyuan-video")
    made = model.media.rendition({"resolution": resolution, "aspect_ratio": aspect, "num_frames": "85"}, 1, 0)
    assert (made.width, made.height) == size
    assert (made.frames, made.fps) == (85, 24)


@pytest.mark.parametrize(
    ("preset", "size"),
    [
        ("square_hd", (1024, 1024)),
        ("square", (512, 512)),
        ("portrait_4_3", (768, 1024)),
        ("portrait_16_9", (576, 1024)),
        ("landscape_4_3", (1024, 768)),
        ("landscape_16_9", (1024, 576)),
    ],
)
def test_image_presets_have_the_decided_sizes(catalog: Catalog, preset: str, size: tuple[int, int]) -> None:
    """The pixels are those that were decided on; no document gives them (assumed)."""
    made = _model(catalog, "pixazo", "hunyuan-image").media.rendition({"image_size": preset}, 1, 0)
    assert (made.width, made.height) == size


@given(width=st.integers(1, 1280), height=st.integers(1, 1280), frames=st.integers(1, 129))
def test_segmind_rounds_each_side_down_to_an_even_number(
    catalog: Catalog, width: int, height: int, frames: int
) -> None:
    """Ledger row SG-6; nothing smaller than 2x2 is rendered."""
    asked = {"width": width, "height": height, "video_length": frames}
    made = _model(catalog, "segmind", "hunyuan-video").media.rendition(asked, 1, 0)
    assert (made.width, made.height) == (max(2, width - width % 2), max(2, height - height % 2))
    assert made.frames == frames


def test_a_seed_of_minus_one_is_drawn_where_the_provider_says_so(catalog: Catalog) -> None:
    assert _model(catalog, "segmind", "hunyuan-video").media.seed_of({"seed": -1}) is None
    assert _model(catalog, "wavespeed", "wavespeed-ai/hunyuan-video/i2v").media.seed_of({"seed": -1}) is None
    assert _model(catalog, "pixazo", "hunyuan-video").media.seed_of({"seed": -1}) == -1
    assert _model(catalog, "pixazo", "hunyuan-video").media.seed_of({}) is None


def test_a_long_prompt_is_in_a_rendition_by_its_digest() -> None:
    """A rendition is kept as long as its file; other prompts are still other files."""
    rule = MediaRule(format="mp4", prompt="prompt")
    short, long = "x" * KEPT_OF_A_PROMPT, "x" * 1_000_000
    asked = (short, long, long + "y", long + "\ud800")
    prompts = [rule.rendition({"prompt": prompt}, 1, 0).prompt for prompt in asked]
    assert prompts[0] == short
    assert len(set(prompts)) == 4
    assert max(map(len, prompts)) <= KEPT_OF_A_PROMPT
