from __future__ import annotations

import torch

from dinar.texture.unmixing import person_in


def test_pixels_that_the_background_is_mixed_in_are_left_out_and_others_at_the_edge_are_not():
    """White trousers with a black stripe at their edge, dark ones beside a red wall, and an edge that is soft."""
    mask = torch.zeros(1, 1, 60, 90)
    mask[:, :, :, 20:40] = 1
    mask[:, :, :, 55:75] = 1
    wall = torch.tensor([0.7, 0.2, 0.2])[:, None, None]
    image = wall.expand(1, 3, 60, 90).clone()
    image[:, :, :, 20:40], image[:, :, :, 55:75] = 0.9, 0.04
    image[:, :, :, 37:40] = 0.05                                               # the stripe, sharp
    image[:, :, :, 20] = (image[:, :, :, 20] + wall[..., 0]) / 2               # the mask is a pixel too wide,
    image[:, :, :, 21] = image[:, :, :, 21] * 0.8 + wall[..., 0] * 0.2         # and the lens is soft
    image[:, :, :, 55:58] = torch.tensor([0.11, 0.045, 0.045])[:, None, None]  # the wall's red in JPEG's colours
    clear = person_in(image, mask)[1][0, 0, 30] > 0
    assert clear[23:37].all() and clear[58:72].all()
    assert clear[37:39].all() and not clear[39]
    assert not clear[20:22].any() and not clear[55:58].any()
    assert not clear[40:55].any()


def test_the_hue_of_a_vivid_background_is_left_out_deeper_and_shade_is_not():
    """A pale shirt before a red sofa on its left and a grey wall on its right, both of which JPEG has spread."""
    mask = torch.zeros(1, 1, 60, 90)
    mask[:, :, :, 20:70] = 1
    image = torch.full((1, 3, 60, 90), 0.4)
    image[:, :, :, :20] = torch.tensor([0.75, 0.1, 0.1])[:, None, None]
    image[:, :, :, 20:70] = 0.85
    image[:, :, :, 20:25] += torch.tensor([0.05, -0.09, -0.09])[:, None, None]     # five pixels of a tenth of its red
    image[:, :, :, 65:70] = 0.7                                                    # and as much shade
    clear = person_in(image, mask)[1][0, 0, 30] > 0
    assert not clear[20:25].any()
    assert clear[25:67].all()


def test_a_tinge_of_the_background_s_hue_is_taken_back_and_shade_stays() -> None:
    """A pale shirt before a beige wall that has tinged its left edge; on its right edge it is darker, and has a hem
    in another colour.
    """
    mask = torch.zeros(1, 1, 60, 90)
    mask[:, :, :, 20:70] = 1
    wall = torch.tensor([0.8, 0.65, 0.5])[:, None, None]
    image = wall.expand(1, 3, 60, 90).clone()
    image[:, :, :, 20:70] = torch.tensor([0.82, 0.84, 0.88])[:, None, None]
    clean = image.clone()
    hue = (wall - wall.mean()) - (clean[0, :, 30, 40] - clean[0, :, 30, 40].mean())[:, None, None]
    image[:, :, :, 20:25] += 0.3 * hue
    image[:, :, :, 65:67] -= 0.1                                                   # shade
    image[:, :, :, 67:70] = torch.tensor([0.5, 0.2, 0.7])[:, None, None]           # the hem
    found, _ = person_in(image, mask)
    assert (found - clean)[..., 20:25].abs().max() < 0.3 * (image - clean)[..., 20:25].abs().max()
    for there in (slice(0, 20), slice(25, 90)):
        assert torch.equal(found[..., there], image[..., there])


def test_a_pattern_at_the_edge_is_left() -> None:
    """Red stripes across a white shirt before a red wall."""
    mask = torch.zeros(1, 1, 60, 90)
    mask[:, :, :, 20:70] = 1
    image = torch.tensor([0.8, 0.2, 0.2])[:, None, None].expand(1, 3, 60, 90).clone()
    for top in range(0, 60, 12):
        image[:, :, top : top + 9, 20:70] = 0.85
    assert torch.equal(person_in(image, mask)[0], image)
