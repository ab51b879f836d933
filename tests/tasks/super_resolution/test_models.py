"""ESRGAN's generator and discriminator."""
# mypy: disable-error-code="arg-type, union-attr"
import numpy as np
import pytest

from minidl import (
    BatchNorm2d, Conv2d, LeakyReLU, Residual, Skip, Upsample, check_layer, discriminator, patch_discriminator, rrdb_net,
)
from minidl.layers import layout
from minidl.tasks.super_resolution.models import dense_block, rrdb
from tests.directions import directional_errors


def random(*shape):
    return np.random.default_rng(0).random(shape, np.float32)


def plain_dense_block(weights, biases, x):
    """ESRGAN's dense block as its own code has it: new maps after the older ones, [x, c1, c2, ...]."""
    def conv(k, maps):
        layer = Conv2d(maps.shape[1], len(biases[k]), 3, padding="same").astype(np.float64)
        layer.weight.data[...], layer.bias.data[...] = weights[k], biases[k]
        return layer(maps)

    maps = x
    for k in range(4):
        c = conv(k, maps)
        maps = np.concatenate([maps, np.where(c > 0, c, 0.2 * c)], axis=1)
    return x + 0.2 * conv(4, maps)


def test_a_dense_block_is_esrgans_with_reordered_channels():
    width, growth, rng = 3, 2, np.random.default_rng(0)
    weights = [rng.normal(size=(growth if k < 4 else width, width + k * growth, 3, 3)) for k in range(5)]
    biases = [rng.normal(size=len(w)) for w in weights]
    block = dense_block(width, growth, rng=rng).astype(np.float64)
    convolutions = [layer for _, layer in block.walk() if isinstance(layer, Conv2d)]
    for k, (layer, w, b) in enumerate(zip(convolutions, weights, biases)):
        ours = [w[:, :width]]                                             # x
        for j in range(k):                                                # c1, c2, ... each before all older ones
            ours.insert(0, w[:, width + j * growth:width + (j + 1) * growth])
        layer.weight.data[...], layer.bias.data[...] = np.concatenate(ours, axis=1), b
    x = rng.normal(size=(2, width, 5, 4))
    np.testing.assert_allclose(block(x), plain_dense_block(weights, biases, x), rtol=1e-12)


def test_blocks_are_nested_as_in_the_paper():
    model = rrdb_net(4, 4, 2, 3, rng=0)
    kinds = [type(layer) for _, layer in model.walk()]
    scales = [layer.scale for _, layer in model.walk() if isinstance(layer, Residual)]
    assert kinds.count(BatchNorm2d) == 0 and kinds.count(Skip) == 3 * 3 * 4 and kinds.count(Upsample) == 2
    assert scales == [1] + 3 * [0.2, 0.2, 0.2, 0.2]                       # around all; an RRDB and its 3 dense blocks
    assert {layer.negative_slope for _, layer in model.walk() if isinstance(layer, LeakyReLU)} == {0.2}
    for name, layer in rrdb_net(2, 32, 16, 1, rng=0).walk():              # dense blocks: a tenth of Kaiming's weights
        if isinstance(layer, Conv2d):
            relative = layer.weight.data.std() / np.sqrt(2 / (9 * layer.in_channels))
            assert relative == pytest.approx(0.1 if ".inner.0." in name else 1.0, rel=0.2), name


def test_defaults_have_the_papers_size():
    """16.7 million parameters: x4, 64 channels, growth 32, 23 blocks (counted from the layers' sizes)."""
    def conv(c, o):
        return 9 * c * o + o
    dense = sum(conv(64 + 32 * k, 32) for k in range(4)) + conv(64 + 32 * 4, 64)
    total = conv(3, 64) + 23 * 3 * dense + 4 * conv(64, 64) + conv(64, 3)
    assert sum(p.data.size for p in rrdb_net(rng=0).parameters()) == total == 16_697_987


@pytest.mark.parametrize("scale", [2, 4, 8])
@pytest.mark.parametrize("settings", [{}, {"base": "nearest"}, {"with_map": True, "base": "bilinear"}])
def test_images_become_larger(scale, settings):
    model = rrdb_net(scale, 4, 2, 1, rng=0, **settings)
    x = random(2, 4 if "with_map" in settings else 3, 5, 4)
    y = model(x)
    assert y.shape == model.output_shape(x.shape) == (2, 3, 5 * scale, 4 * scale)
    assert y.dtype == np.float32 and layout.is_channel_major(y)
    assert model.backward(y).shape == x.shape


@pytest.mark.parametrize("base", ["nearest", "bilinear"])
def test_with_a_base_it_starts_as_the_plain_enlargement(base):
    x = random(1, 4, 8, 8)
    plain = Upsample(4, base)(x[:, :3])
    for with_map in (False, True):
        model = rrdb_net(4, 16, 8, 1, base=base, with_map=with_map, rng=0)
        given = x if with_map else x[:, :3]
        np.testing.assert_allclose(model(given), plain, atol=1e-6)
        model.backward(np.ones_like(plain))                               # it can learn
        *_, last = [layer for _, layer in model.walk() if isinstance(layer, Conv2d)]
        assert last.weight.grad.any()
    assert np.abs(rrdb_net(4, 16, 8, 1, rng=0)(x[:, :3]) - plain).max() > 0.1


def test_gradients():
    rng = np.random.default_rng(0)
    check_layer(rrdb(2, 1, rng=rng), rng.normal(size=(2, 2, 3, 4)), tolerance=1e-5)
    models = [(rrdb_net(2, 3, 2, 1, rng=rng), (2, 3, 4, 5)), (discriminator(2, 8, rng=rng), (3, 3, 8, 8)),
              (rrdb_net(4, 3, 2, 1, base="bilinear", with_map=True, rng=rng), (2, 4, 4, 5)),
              (patch_discriminator(2, 2, rng=rng), (2, 3, 8, 12))]
    for model, shape in models:
        errors = directional_errors(model, rng.normal(size=shape), rng)
        assert max(errors.values()) < 2e-5, errors


def test_the_same_seed_gives_the_same_model():
    for build in (lambda seed: rrdb_net(2, 4, 2, 1, rng=seed), lambda seed: discriminator(2, 16, rng=seed)):
        a, b, other = (build(seed).state_dict() for seed in (3, 3, 4))
        assert all(np.array_equal(a[name], b[name]) for name in a)
        assert not np.array_equal(a["0.weight"], other["0.weight"])


@pytest.mark.parametrize("size, halvings", [(8, 1), (64, 4), (128, 5)])
def test_the_discriminator_halves_down_to_four_pixels(size, halvings):
    model = discriminator(4, size, rng=0)
    x = random(2, 3, size, size)
    assert model(x).shape == model.output_shape(x.shape) == (2, 1)
    convolutions = [layer for _, layer in model.walk() if isinstance(layer, Conv2d)]
    assert [layer.stride[0] for layer in convolutions] == [1, 2] * halvings
    assert [layer.out_channels for layer in convolutions[::2]] == [4, 8, 16, 32, 32][:halvings]
    assert not any(isinstance(layer, BatchNorm2d) for _, layer in model.walk())
    x = random(4, 3, size, size)                                          # so no logit depends on the others' images
    np.testing.assert_allclose(model(x)[:2], model(x[:2]), rtol=1e-4, atol=1e-6)


def test_the_patch_discriminator_judges_squares():
    model = patch_discriminator(4, 2, rng=0)
    x = random(1, 3, 64, 48)
    logits = model(x)
    assert logits.shape == model.output_shape(x.shape) == (1, 1, 16, 12)
    x[..., :4, :4] = 0                                                     # far from the last squares
    assert (model(x) != logits)[0, 0, 0, 0] and np.array_equal(model(x)[..., 8:, 6:], logits[..., 8:, 6:])


@pytest.mark.parametrize("call, message", [
    (lambda: rrdb_net(3, 4, 2, 1), "scale that is a power of 2 from 2 on, got 3"),
    (lambda: rrdb_net(1, 4, 2, 1), "scale that is a power of 2 from 2 on, got 1"),
    (lambda: rrdb_net(4, 0, 2, 1), "rrdb_net: width"), (lambda: rrdb_net(4, 4, -1, 1), "rrdb_net: growth"),
    (lambda: rrdb_net(4, 4, 2, 0), "rrdb_net: blocks"), (lambda: rrdb_net(4.0, 4, 2, 1), "rrdb_net: scale"),
    (lambda: patch_discriminator(4, 0), "patch_discriminator: levels"),
    (lambda: rrdb_net(4, 4, 2, 1, base="bicubic"), 'expected mode "nearest" or "bilinear"'),
    (lambda: discriminator(0), "discriminator: width"), (lambda: discriminator(4, 48), "power of 2 from 8 on, got 48"),
    (lambda: discriminator(4, 4), "power of 2 from 8 on, got 4"),
])
def test_impossible_settings_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
