"""GLB (binary glTF 2.0): a closed, coloured blob.

It is a globe made of rings, its radius bent by seeded waves.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import trimesh
from trimesh.exchange.gltf import export_glb

from understudy_mock.domain.rendition import Rendition
from understudy_mock.media import picture

Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]

TOLERANCE = 0.02
"""How far, as a share, the face count may be off for the sake of well-shaped triangles."""


def render(r: Rendition) -> bytes:
    """Return the file of a bounded rendition."""
    rings, slices = grid(r.faces)
    points, faces = tetrahedron() if r.faces < 6 else globe(rings, slices)
    look = picture.look_of(r)
    bend = waves(look, points)
    colours = picture.rgb_table(look)[np.rint(bend * 255).astype(np.int64) % 256]
    body = trimesh.Trimesh(
        vertices=points * (0.8 + 0.2 * bend)[:, None],
        faces=faces,
        vertex_colors=colours,
        process=False,  # would merge and reorder: slow, and nothing here needs it
    )
    data: bytes = export_glb(body, include_normals=False)  # type: ignore[no-untyped-call]  # it has no types
    return data


def grid(faces: int) -> tuple[int, int]:
    """Return the rings and slices of a globe with about `faces` triangles (2 x rings x slices).

    Twice as many slices as rings give the best triangles; fewer rings are tried until the number fits. One
    ring always fits: it gives any even number from 6 on.
    """
    for rings in range(max(1, round((faces / 4) ** 0.5)), 1, -1):
        slices = max(3, round(faces / (2 * rings)))
        if abs(2 * rings * slices - faces) <= TOLERANCE * faces:
            return rings, slices
    return 1, max(3, faces // 2)


def globe(rings: int, slices: int) -> tuple[Floats, Ints]:
    """Return a sphere of radius 1: points (2 + rings x slices, 3), faces (2 x rings x slices, 3).

    Point 0 is the north pole, the last one the south pole; faces run counter-clockwise, seen from outside.
    """
    down = np.pi * np.arange(1, rings + 1) / (rings + 1)
    round_ = 2 * np.pi * np.arange(slices) / slices
    points = np.empty((2 + rings * slices, 3))
    points[0], points[-1] = (0, 1, 0), (0, -1, 0)
    body = points[1:-1].reshape(rings, slices, 3)
    body[..., 0] = np.sin(down)[:, None] * np.cos(round_)
    body[..., 1] = np.cos(down)[:, None]
    body[..., 2] = -np.sin(down)[:, None] * np.sin(round_)
    return points, _globe_faces(rings, slices)


def _globe_faces(rings: int, slices: int) -> Ints:
    faces = np.empty((2 * rings * slices, 3), np.int64)
    here = np.arange(slices)
    after = (here + 1) % slices
    south = 1 + rings * slices
    last = south - slices
    faces[:slices] = np.stack([np.zeros_like(here), 1 + here, 1 + after], axis=1)
    faces[-slices:] = np.stack([np.full_like(here, south), last + after, last + here], axis=1)
    between = faces[slices:-slices].reshape(rings - 1, 2, slices, 3)
    upper = 1 + slices * np.arange(rings - 1)[:, None]
    lower = upper + slices
    for half, corners in enumerate(
        ((upper + here, lower + here, lower + after), (upper + here, lower + after, upper + after))
    ):
        between[:, half] = np.stack(corners, axis=2)
    return faces


def tetrahedron() -> tuple[Floats, Ints]:
    """Return the smallest closed body, for 4 or 5 faces."""
    points = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) / 3**0.5
    return points, np.array([[0, 1, 2], [0, 3, 1], [0, 2, 3], [1, 3, 2]])


def waves(look: picture.Look, points: Floats) -> Floats:
    """Return a smooth number from 0 to 1 for each point, shape (n,).

    It depends only on the point's direction, so there is no seam.
    """
    total = np.zeros(len(points))
    for turn, wave in enumerate((look.across, look.down, look.falling, look.rising)):
        axis = np.roll([1.0, 0.6, -0.4], turn) * 4 * wave.cycles
        total += np.sin(points @ axis + 2 * np.pi * wave.phase)
    return total / 8 + 0.5
