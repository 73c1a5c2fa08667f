"""Meshes, read back with trimesh."""

import json
import struct
from typing import Any

import numpy as np
import pytest

from tests.media.reading import read_mesh
from understudy_mock.domain.rendition import MAX_FACES, Rendition
from understudy_mock.media import mesh


@pytest.mark.parametrize("faces", [4, 6, 20, 21, 22, 109, 1000, 40_000])
def test_a_mesh_has_about_the_faces_asked(faces: int) -> None:
    """The face count is within 5% and the body is closed, with its outside out."""
    body = read_mesh(mesh.render(Rendition("glb", faces=faces)))
    assert abs(len(body.faces) - faces) <= 0.05 * faces
    assert body.is_watertight
    assert body.is_winding_consistent
    assert body.volume > 0


def test_every_small_count_is_met_or_missed_by_one() -> None:
    """A closed body has an even number of triangles, so 5 of 6 is the worst there is."""
    for faces in range(6, 2000):
        rings, slices = mesh.grid(faces)
        assert abs(2 * rings * slices - faces) <= max(1, 0.02 * faces)


def test_the_largest_mesh_can_be_made() -> None:
    """A million and a half faces come out within 5%."""
    data = mesh.render(Rendition("glb", faces=MAX_FACES))
    indices = max(accessor["count"] for accessor in header(data)["accessors"])
    assert abs(indices / 3 - MAX_FACES) <= 0.05 * MAX_FACES


def test_a_mesh_is_gltf_2() -> None:
    """The file is binary glTF 2.0, its length is the stated one, and it carries colours."""
    data = mesh.render(Rendition("glb", faces=100))
    magic, version, length = struct.unpack_from("<4sII", data)
    assert (magic, version, length) == (b"glTF", 2, len(data))
    assert header(data)["asset"]["version"] == "2.0"
    assert "COLOR_0" in header(data)["meshes"][0]["primitives"][0]["attributes"]


def test_different_seeds_give_different_bodies() -> None:
    """The seed decides the shape, not the colours alone."""
    one, other = (read_mesh(mesh.render(Rendition("glb", faces=1000, seed=seed))) for seed in (1, 2))
    assert np.abs(one.vertices - other.vertices).max() > 0.02


def header(data: bytes) -> dict[str, Any]:
    """The JSON chunk of a GLB."""
    size, kind = struct.unpack_from("<I4s", data, 12)
    assert kind == b"JSON"
    parsed: dict[str, Any] = json.loads(data[20 : 20 + size])
    return parsed
