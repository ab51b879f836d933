# %% [markdown]
# # 20 · Perception: what should an enlarged image look like?
# Slide 33. *Many large images shrink to the same small one. Which of them should be drawn?*
#
# **New here:** losses that ask how an image looks: the feature distance (perceptual loss), which compares what a
# trained network extracts, and the adversary of a GAN, a second network trained against the first. Training *through*
# frozen networks. A map that says at each pixel which aim to follow.
#
# **Needs:** sigmoid and binary cross entropy (lesson 7), finite differences (lesson 0), the encoder of a segmentation
# network (lessons 13, 16), super-resolution, PSNR, LeakyReLU and residuals (lesson 19).
#
# **Time:** about 70 minutes to read, 130 seconds to run on two cores.

# %%
import copy

import numpy as np

from minidl import (
    Adam, Conv2d, CosineSchedule, FeatureLoss, L1Loss, MaxPool2d, MSELoss, ReLU, RelativisticAverageLoss, Sequential,
    Sigmoid, patch_discriminator, plotting,
)
from minidl.batches import as_input
from minidl.checkpoint import load_weights, save_weights
from minidl.course.lesson import Lesson
from minidl.datasets.pets import CLASSES
from minidl.layers.activation import sigmoid
from minidl.runtime.progress import Progress
from minidl.step import predict
from minidl.tasks.super_resolution.experiment import SuperResolution, cycle
from minidl.tasks.super_resolution.figures import colored, comparison
from minidl.tasks.super_resolution.images import METHODS, as_images, block_means, resized, smoothed
from minidl.tasks.super_resolution.losses import backward_frozen, softplus
from minidl.tasks.super_resolution.map_conv import MapConv2d, interpolated_state, interpolating_state, with_map
from minidl.tasks.super_resolution.perceptual import feature_distance, train_encoder

lesson = Lesson("20_perception", quick_epochs=8)                       # few images: few steps per epoch
rng = np.random.default_rng(lesson.seed)
S, width = lesson.size, lesson.width

# %% [markdown]
# ## 1. Where lesson 19 ended
# Its network was trained on L1, the mean |error| of the pixels. It draws outlines, and hardly any texture, because a
# wrong texture costs more than none. We begin with that network. If lesson 19 has run with the same settings, its
# weights are loaded; otherwise the same training is done here first.

# %%
task = SuperResolution(lesson, 4)
truth = task.test.images                                               # (n, 3, S, S) uint8
l1_net = task.generator(rng=lesson.seed)
some_small, some_large = task.small[:200], as_input(task.train.images[:200])
first_loss = L1Loss()(predict(l1_net, some_small), some_large)
if not task.load(l1_net, "19_super_resolution"):
    if task.fit(l1_net, "x4").stopped:
        raise SystemExit("all that follows begins with this network: run it again with --resume")
last_loss = L1Loss()(predict(l1_net, some_small), some_large)
print(f"L1 loss on training images: {first_loss:.4f} untrained, {last_loss:.4f} trained")
results = {method: resized(task.small_test, S, method) for method in METHODS} | {"L1": task.enlarged(l1_net)}

# %% [markdown]
# ## 2. What looks alike to a network
# To compare two images by how they look, compare not their pixels but their *features*: the maps that a trained network
# makes of them. A network that can tell a pet from its background reacts to edges, fur and grass, more than to single
# pixels. (Johnson, Alahi, Fei-Fei, "Perceptual Losses", 2016, arXiv 1603.08155.)
#
# The papers take VGG-19 (arXiv 1409.1556), trained to sort 1.2 million photographs into 1000 classes. We train a small
# encoder here, for a few epochs: three convolutions with batch norm and ReLU, two poolings between them, and at the end
# the scores of pet, background and border, as in lesson 16. Then the scores are removed, and each batch norm is folded
# into its convolution: in eval mode it multiplies and adds fixed numbers, and weights and bias can do that. What is
# left ends with a convolution, *before* its ReLU. After it, all negative features would be 0, and two images could no
# longer be told apart by them. (The ESRGAN paper does so too, section 3.3.)
#
# One encoder will train a generator. A second one, with other first weights, is the *judge* that scores the results: a
# network trained to please one encoder should not be scored by the same. A third one is not trained at all.

# %%
w = max(1, width // 2)


def conv(inputs, outputs):
    """Return a 3 × 3 convolution, untrained."""
    return Conv2d(inputs, outputs, 3, padding="same", rng=rng)


epochs = 1 if lesson.quick else max(1, 3000 // len(task.train))
teacher, judge = (train_encoder(task, w, seed=lesson.seed + k, epochs=epochs) for k in (1, 2))
untrained = Sequential(conv(3, w), ReLU(), MaxPool2d(2), conv(w, 2 * w), ReLU(), MaxPool2d(2), conv(2 * w, 4 * w))
assert [type(layer) for layer in untrained] == [type(layer) for layer in teacher]
judge.summary((1, 3, S, S))

# %% [markdown]
# The **feature distance**: at each position, the features after a convolution are a vector. Scale it to length 1, so
# that only its direction counts. Take the squared distance of the two images' vectors. The mean over all positions and
# over the three convolutions is the score, from 0 (equal) to 4 (opposite). This is LPIPS without its weights, which
# were fitted to the judgments of people (Zhang et al., 2018, arXiv 1801.03924).
#
# **Predict:** how does the judge rank nearest, bilinear, bicubic and the L1 network? And the true image, moved by one
# pixel, as in lesson 19?


# %%
def feature_distance_by_hand(encoder, image, true):
    """Two images (1, 3, S, S), uint8 -> a number."""
    distances, a, b = [], as_input(image), as_input(true)
    for layer in encoder:
        a, b = layer.forward(a), layer.forward(b)
        if isinstance(layer, Conv2d):                                  # (1, C, h, w)
            unit_a, unit_b = (f / np.sqrt((f**2).sum(axis=1, keepdims=True) + 1e-8) for f in (a, b))
            distances.append(((unit_a - unit_b)**2).sum(axis=1).mean())
    return np.mean(distances)


assert np.isclose(feature_distance_by_hand(judge, results["L1"][:1], truth[:1]),
                  feature_distance(judge, results["L1"][:1], truth[:1]).mean(), rtol=1e-4)


def scored(images):
    """Return PSNR and feature distance of enlarged held-out images, means over all of them."""
    distance = float(feature_distance(judge, images, truth).mean())
    return {"psnr": task.scores(images)["psnr"], "feature_distance": distance}


scores = {}
for method, images in results.items():
    scores[method] = scored(images)
    others = [feature_distance(encoder, images, truth).mean() for encoder in (teacher, untrained)]
    own = scores[method]["feature_distance"]
    print(f"{method:<9} PSNR {scores[method]['psnr']:.2f} dB; feature distance {own:.3f} (judge), {others[0]:.3f} "
          f"(teacher), {others[1]:.3f} (untrained)")
moved = scored(np.roll(truth, 1, axis=3))
print(f"the true image, moved by one pixel: PSNR {moved['psnr']:.2f} dB, feature distance "
      f"{moved['feature_distance']:.3f} (judge)")

# %% [markdown]
# The trained encoders rank nearest (0.503) before bicubic (0.660) and bilinear (0.732), against the PSNR: to them, blur
# is a larger change than blocks. The untrained encoder has the order of the PSNR. So what a feature distance finds
# alike depends on what its network has learned. Judge and teacher had the same images and the same task, and they
# agree. The L1 network is the best of the four by every score. The moved image has a lower PSNR than bicubic, 23.12 dB,
# but less than half the feature distance of the L1 network, 0.215. Here the feature distance is closer to what we see
# than PSNR.
#
# ## 3. The perceptual loss, and backward through a frozen network
# For training, the papers compare features more simply: L1 between the features φ after the last convolution, L = mean
# |φ(output) − φ(truth)|. The gradient goes back *through* the encoder to the output: chain rule, nothing new. Only the
# encoder must not change, it is *frozen*. `backward` does two things. It returns dx, and it adds to the gradients of
# the parameters. Here we want the first only, and `backward_frozen` undoes the second.

# %%
x, real = next(iter(task.pairs(lesson.seed)))                          # (n, 3, S/4, S/4), (n, 3, S, S) floats
fake = predict(l1_net, x)
perceptual = FeatureLoss(teacher)
value = perceptual.forward(fake, real)
dfake = perceptual.backward()                                          # (n, 3, S, S)
difference = predict(teacher, fake) - predict(teacher, real)
assert np.isclose(value, np.abs(difference).mean(), rtol=1e-5)
teacher.forward(fake)
by_hand = teacher.backward(np.sign(difference).astype(np.float32) / difference.size)
assert np.allclose(dfake, by_hand, atol=1e-3 * np.abs(by_hand).max())
teacher.zero_grad()
print(f"perceptual loss {value:.3f}; its gradient has the shape {dfake.shape}")

# %% [markdown]
# ## 4. An adversary: what a GAN is
# The feature distance still compares with *the* true image. An adversary asks less: does this look like *some* real
# image? No pairs are needed. A *generative adversarial network* (GAN) is two networks (Goodfellow et al., 2014, arXiv
# 1406.2661).
#
# - The **discriminator** is a classifier with two classes, real and fake. It gives an image a logit C; sigmoid(C) is
#   its probability for "real". It is trained with binary cross entropy. With softplus(z) = ln(1 + eᶻ) = −ln
#   sigmoid(−z), its loss is the mean of softplus(−C) over real images plus the mean of softplus(C) over fakes.
# - The **generator** makes the fakes. Its loss is the mean of softplus(−C) over its fakes: small if the discriminator
#   takes them for real. Its gradient comes through the discriminator, which is frozen in that step.
#
# They take steps alternately. In the smallest GAN there is, real "images" are single numbers, normally distributed
# around 3. The generator adds one learned number μ to noise. The discriminator is a logistic regression, C = a x + b.
# All start at 0.
#
# **Predict:** both losses in the first step. What happens to μ: will it go to 3 and stay?

# %%
mu, a, b, rate = 0.0, 0.0, 0.0, 0.1
path, critic_losses = [], []
numbers = np.random.default_rng(lesson.seed)
for step in range(1000):
    r, f = numbers.normal(3, 1, 64), mu + numbers.normal(0, 1, 64)     # real, fake
    critic_losses.append(softplus(-(a * r + b)).mean() + softplus(a * f + b).mean())
    generator_loss = softplus(-(a * f + b)).mean()
    if step == 0:
        assert np.isclose(critic_losses[0], 2 * np.log(2)) and np.isclose(generator_loss, np.log(2))
    mu += rate * (sigmoid(-(a * f + b)) * a).mean()                    # minus the derivative of generator_loss by mu
    p, q = sigmoid(-(a * r + b)), sigmoid(a * f + b)                   # how wrong: on real, on fake
    a, b = a - rate * ((q * f).mean() - (p * r).mean()), b - rate * (q.mean() - p.mean())
    path.append(mu)
average = np.cumsum(path) / np.arange(1, len(path) + 1)
print(f"discriminator's loss: first {critic_losses[0]:.3f}, smallest {min(critic_losses):.3f}, last "
      f"{critic_losses[-1]:.3f}; μ at most {max(path):.2f}, at last {mu:.2f}, mean over all steps {average[-1]:.2f}")
lesson.figure(plotting.line_chart({"μ": path, "mean of all μ so far": average, "real mean": [3.0] * len(path)},
                                  "The smallest GAN: μ and the real mean", "step", dashed=["real mean"]), "gan")

# %% [markdown]
# Both losses start from ln 2 for each mean: 1.386 for the discriminator, 0.693 for the generator. While the
# discriminator learns that real numbers are larger, its loss falls to 0.78, and μ rises. It does not stop at 3: at step
# 200 it is at 3.99, comes back, passes 3 again, and is at 3.00 in the end. Then the discriminator's loss is 1.386
# again: it can no longer tell real from fake. Each chases the other, so the two losses do not fall as in other
# trainings. Here the circles die out; with other rates they need not (exercise 1). The mean of all μ so far swings less
# than μ.
#
# ## 5. The discriminator of ESRGAN
# In ESRGAN the discriminator is *relativistic*: it does not say whether an image is real, but whether it looks more
# real than the fakes do on average, and vice versa (Jolicoeur-Martineau, 2018, arXiv 1807.00734). In the losses above,
# C(real) becomes C(real) − mean C(fake), and C(fake) becomes C(fake) − mean C(real):
#
#     L_D = mean softplus(-(C(real) - mean C(fake))) + mean softplus(C(fake) - mean C(real))
#     L_G = mean softplus(-(C(fake) - mean C(real))) + mean softplus(C(real) - mean C(fake))
#
# L_G is L_D with the roles exchanged. The second term of L_G is new: the generator also profits if real images look
# less real *in comparison*.
#
# **Predict:** both losses if C is the same for all images. What changes if 5 is added to all logits?


# %%
def relativistic(logits, is_real):
    """Return L_D; with the roles exchanged, L_G."""
    r, f = logits[is_real == 1], logits[is_real == 0]
    return softplus(-(r - f.mean())).mean() + softplus(f - r.mean()).mean()


adversarial = RelativisticAverageLoss()
logits, is_real = rng.normal(size=(8, 1, 4, 4)), np.repeat([1, 0], 4)
assert np.isclose(relativistic(np.zeros_like(logits), is_real), 2 * np.log(2))
assert np.isclose(relativistic(logits + 5, is_real), relativistic(logits, is_real))
for roles in (is_real, 1 - is_real):
    assert np.isclose(adversarial.forward(logits, roles), relativistic(logits, roles))
    slope, nudge = adversarial.backward()[2, 0, 1, 1], np.zeros_like(logits)
    nudge[2, 0, 1, 1] = 1e-5                                           # a real image's logit
    numeric = (relativistic(logits + nudge, roles) - relativistic(logits - nudge, roles)) / 2e-5
    assert np.isclose(slope, numeric) and slope != 0

# %% [markdown]
# 2 ln 2 = 1.386 for both, and adding a constant changes nothing: only differences count.
#
# The paper's discriminator gives one logit per image of 128 × 128 pixels. Ours gives one for each square of 4 × 4
# pixels and its surroundings (a *patch* discriminator: Isola et al., 2017, arXiv 1611.07004). It can judge texture, not
# an image as a whole. In exchange, each image gives 256 examples to learn from.

# %%
critic = patch_discriminator(w, 2, rng=lesson.seed + 3)
critic.summary((1, 3, S, S))
lesson.figure(plotting.diagram(critic, (1, 3, S, S), title=f"One logit for each of {S // 4} × {S // 4} squares"),
              "critic")

# %% [markdown]
# ## 6. One objective of three terms
# The generator's loss is a weighted sum. The weights have no natural values, because the terms have different units.
# They are found by trial.
#
# | | pixels (L1) | features | adversary |
# |---|---|---|---|
# | SRGAN (Ledig et al., 2017, arXiv 1609.04802, eq. 3) | – | 1 | 0.001 |
# | ESRGAN (2018, arXiv 1809.00219, section 4.1) | 0.01 | 1 | 0.005 |
# | the map paper (section 9), its authors' code, t = 1 | 0.01 | four of 0.25 | 0.005, times half the sum |
# | here | 1 | 0.3 | 0.1 |
#
# The papers' features are VGG's, of another size than ours, so their numbers cannot be copied. What counts is how
# strongly each term pulls at the output, that is the size of its gradient.
#
# Below, real and fake images go through the discriminator as one batch. Only the fakes were made by the generator, so
# only their half of dx goes on. The number t says how much the features and the adversary count; section 9 needs it.

# %%
WEIGHT = {"pixels": 1.0, "features": 0.3, "adversary": 0.1}
pixels = L1Loss()


def objective(fake, real, perceptual=None, critic=None, t=1.0):
    """Return the terms of the generator's loss, their weighted gradients by `fake`, and the critic's logits.

    Without `perceptual` or `critic`, these terms are left out. t: a number or (n, 1, 1, 1), their share.
    """
    values, gradients, logits = {"pixels": pixels.forward(fake, real)}, {"pixels": pixels.backward()}, None
    if perceptual is not None:
        values["features"] = perceptual.forward(fake, real)
        gradients["features"] = t * perceptual.backward()
    if critic is not None:
        logits = critic.forward(np.concatenate([real, fake]))          # (2n, 1, S/4, S/4)
        values["adversary"] = adversarial.forward(logits, np.repeat([0, 1], len(real)))          # fakes should win
        gradients["adversary"] = t * backward_frozen(critic, adversarial.backward())[len(real):]
    return values, {name: WEIGHT[name] * gradient for name, gradient in gradients.items()}, logits


def print_pull(fake):
    """Print the terms for some images that a generator drew, and how strongly each pulls at them."""
    values, gradients, _ = objective(fake, real, perceptual, critic)
    for name, gradient in gradients.items():
        print(f"{name:<9} value {values[name]:.3f}, weight {WEIGHT[name]}, length of its weighted gradient "
              f"{np.sqrt((gradient**2).sum()):.5f}")


print_pull(fake)

# %% [markdown]
# The features pull 13 times as strongly as the pixels, and the adversary less than the pixels. But its discriminator is
# still untrained. We will look again after the training.
#
# Is the gradient right? We move one weight of the generator a little, in float64, and look at the loss. (The step is
# very small, 1e-8: |x|, LeakyReLU and max pooling have kinks, and with so many pixels some are always near one.) And
# the discriminator must stay as it was, its gradients too.

# %%
generator64, critic64, teacher64 = (copy.deepcopy(net).astype(np.float64) for net in (l1_net, critic, teacher))
x64, real64, perceptual64 = x[:2].astype(np.float64), real[:2].astype(np.float64), FeatureLoss(teacher64)


def terms64():
    return objective(generator64.forward(x64), real64, perceptual64, critic64)


for parameter in critic64.parameters():
    parameter.grad[...] = 5                                            # would show any trace
before = critic64.state_dict()
_, gradients, _ = terms64()
generator64.zero_grad()
generator64.backward_parameters(sum(gradients.values()))
weight, h, losses = generator64.parameters()[0], 1e-8, []
for step in (h, -2 * h):
    weight.data[0, 0, 1, 1] += step
    losses.append(sum(WEIGHT[name] * value for name, value in terms64()[0].items()))
numeric, analytic = (losses[0] - losses[1]) / (2 * h), weight.grad[0, 0, 1, 1]
print(f"derivative by one weight: backward {analytic:.8f}, difference {numeric:.8f}")
assert abs(analytic - numeric) < 1e-3 * max(abs(analytic), abs(numeric))
assert all((parameter.grad == 5).all() for parameter in critic64.parameters())
assert all(np.array_equal(array, before[name]) for name, array in critic64.state_dict().items())

# %% [markdown]
# ## 7. Equal training, three aims
# Three copies of the L1 network are trained on, from the same weights, with the same batches and as many steps:
#
# - **L1 on**: pixels only. This is a control: what it gains, it gains by more training.
# - **features**: pixels and features. This is the other control: what it does, it does without an adversary.
# - **GAN**: all three terms, against the discriminator.
#
# In the GAN, each step of the generator is followed by one of the discriminator. Its logits are used again: neither its
# weights nor the images have changed since. As in the smallest GAN, the weights circle rather than settle. So all three
# end with a running average of their weights over about the last hundred steps. (The paper does not average. Its
# authors' later training code does.) Adam's betas are 0.5 and 0.99.
#
# **Predict:** what happens to PSNR and feature distance of each, compared with L1?

# %%
steps = 4 if lesson.quick else max(4, task.epochs * len(task.pairs(0)) // 6)


def train_on(name, net, perceptual=None, critic=None, draw=None):
    """Train a generator for `steps` more steps; it ends with the average of its weights.

    draw(n): the t of each of n images, (n, 1, 1, 1), which is also their map (section 9); without it, t is 1.
    """
    nets = [one for one in (net, critic) if one is not None]
    paths = [lesson.out / "checkpoints" / f"{name}{part}.npz" for part in ("", " critic")[:len(nets)]]
    if lesson.resume and all(path.exists() for path in paths):
        for path, one in zip(paths, nets):
            load_weights(path, one)
        return
    optimizers = [Adam(one.parameters(), lesson.lr / 8, betas=(0.5, 0.99)) for one in nets]
    schedules = [CosineSchedule(optimizer, steps, final_lr=lesson.lr / 80) for optimizer in optimizers]
    average, line = net.state_dict(), Progress(steps, name)
    for step, (x, real) in zip(range(steps), cycle(task.pairs(lesson.seed + 4))):
        t = None if draw is None else draw(len(x))
        fake = net.forward(x if t is None else with_map(x, t))
        values, gradients, logits = objective(fake, real, perceptual, critic, 1.0 if t is None else t)
        net.zero_grad()
        net.backward_parameters(sum(gradients.values()))
        optimizers[0].step()
        if critic is not None:
            values["critic"] = adversarial.forward(logits, np.repeat([1, 0], len(real)))
            critic.zero_grad()
            critic.backward_parameters(adversarial.backward())
            optimizers[1].step()
        for schedule in schedules:
            schedule.step()
        for key, array in net.state_dict().items():
            average[key] += max(0.01, 1 / (step + 1)) * (array - average[key])
        line.update(step + 1, "")
    line.line(steps, " ".join(f"{key} {number:.3f}" for key, number in values.items()))
    net.load_state_dict(average)
    for path, one in zip(paths, nets):
        save_weights(path, one)


# %%
def copy_of_l1():
    net = task.generator()
    net.load_state_dict(l1_net.state_dict())
    return net


on_net, features_net, gan_net = copy_of_l1(), copy_of_l1(), copy_of_l1()
train_on("L1 on", on_net)
train_on("features", features_net, perceptual)
train_on("GAN", gan_net, perceptual, critic)
results |= {"L1 on": task.enlarged(on_net), "features": task.enlarged(features_net), "GAN": task.enlarged(gan_net)}
contrast = {name: float(np.abs(np.diff(images.astype(np.int64), axis=3)).mean())
            for name, images in {**results, "truth": truth}.items()}
for name in ("bicubic", "L1", "L1 on", "features", "GAN"):
    scores[name] = scored(results[name])
    print(f"{name:<8} PSNR {scores[name]['psnr']:.2f} dB, feature distance {scores[name]['feature_distance']:.3f} "
          f"(judge), contrast of neighbors {contrast[name]:.2f} (truth {contrast['truth']:.2f})")
shown = np.linspace(0, len(truth) - 1, 1 if lesson.quick else 3).astype(int)
lesson.figure(comparison({"small": task.small_test[shown].repeat(4, axis=2).repeat(4, axis=3),
                          **{name: results[name][shown] for name in ("L1 on", "features", "GAN")}}, truth[shown],
                         "Four times larger, with a detail below each", ("L1 on", "features", "GAN")), "comparison")
print("after the training, with the trained discriminator:")
print_pull(predict(gan_net, x))

# %% [markdown]
# "L1 on" changes nothing: 24.81 dB and 0.448. So what the two others do is not due to more training. The features lower
# the feature distance from 0.448 to 0.366 and cost 0.57 dB. The contrast rises from 5.97 to 7.55 (truth 9.84). With the
# adversary it is 0.362, 24.09 dB and 7.80. So with features, the adversary adds little: 0.15 dB less, 0.25 more
# contrast. With seed 1, which also draws other encoders, it is 0.14 dB less and 0.29 more contrast, and the feature
# distance is 0.002 larger instead of 0.004 smaller. So its effect on the feature distance is within the spread. That
# does not make it idle. At the end it pulls more strongly than the pixels, with a sixth of the strength of the
# features. And without features it has an effect of its own (exercise 3). What it brings alone, the features bring,
# too. The discriminator's loss in the last step, 1.358, is near 2 ln 2: it can hardly tell real from fake. But it is a
# small network after 125 steps, and a stronger one may ask for more.
#
# In the figure, "features" and "GAN" are crisper than "L1 on": ears, legs, the stripes of the second wall. The details
# show the price, colored fringes in red and green along the outlines. Between "features" and "GAN" there is hardly a
# difference to see. None of them restores the eyes.
#
# ## 8. Between two networks
# Both began with the same weights. So we can mix their weights, (1 − a) · W(L1 on) + a · W(GAN), and get one network
# for each a. The ESRGAN paper calls it *network interpolation* (section 3.4). A simpler rule mixes the two *images*
# with the same shares.
#
# **Predict:** for a = 0.4, which has the better scores, mixed weights or mixed images?

# %%
alphas, mixed_net = [0, 0.2, 0.4, 0.6, 0.8, 1], task.generator()
mixed_weights, mixed_images, mixture = [], [], {}
for alpha in alphas:
    mixed_net.load_state_dict(interpolated_state(on_net.state_dict(), gan_net.state_dict(), alpha))
    mixture[alpha] = task.enlarged(mixed_net)
    blend = (1 - alpha) * results["L1 on"] + alpha * results["GAN"]
    mixed_weights.append(scored(mixture[alpha]))
    mixed_images.append(scored(blend.round().astype(np.uint8)))
    print(f"a = {alpha}: " + "; ".join(f"mixed {name} PSNR {found['psnr']:.2f} dB, feature distance "
                                       f"{found['feature_distance']:.3f}" for name, found in
                                       (("weights", mixed_weights[-1]), ("images", mixed_images[-1]))))

# %% [markdown]
# The first steps cost little: at a = 0.4 the mixture has half of the way in feature distance (0.448 to 0.403, of 0.362)
# for 0.10 of 0.72 dB. That holds for mixed images as well. At each a the images have a feature distance 0.003 smaller
# and a PSNR up to 0.02 dB smaller, which is the same curve. The paper found mixed images noisier than mixed weights.
# Our two scores do not show such a difference.
#
# It is not self-evident that a mixture of weights works at all. Take the L1 network and exchange the order of the
# channels between its last two convolutions. Nothing changes: it is the same function, with other weights.
#
# **Predict:** the PSNR of the mixture, half and half, of the network and this copy.

# %%
twin, order = copy_of_l1(), rng.permutation(width)
before_last, last = twin.layers[0][-3], twin.layers[0][-1]
before_last.weight.data[...] = before_last.weight.data[order]
before_last.bias.data[...] = before_last.bias.data[order]
last.weight.data[...] = last.weight.data[:, order]
assert np.allclose(predict(twin, x), predict(l1_net, x), atol=1e-4)
mixed_net.load_state_dict(interpolated_state(l1_net.state_dict(), twin.state_dict(), 0.5))
print(f"PSNR of the network and of its copy {scores['L1']['psnr']:.2f} dB, of their mixture "
      f"{task.scores(task.enlarged(mixed_net))['psnr']:.2f} dB (bilinear {scores['bilinear']['psnr']:.2f})")

# %% [markdown]
# Both are the same function, with 24.80 dB. Their mixture has 24.07 dB. Here only the channels between two layers were
# exchanged. Networks trained from different first weights differ in all layers. Ours could be mixed: both were trained
# on from the same weights, for a few steps.
#
# ## 9. One network, told at each pixel what to aim for
# The second paper of slide 33 (Park, Moon, Cho, 2023, arXiv 2211.13676) makes the aim an *input*. One generator gets a
# map t from 0 to 1 beside the image, and is trained on all aims at once. A second network predicts the best map.
#
# In the paper the map scales and shifts the features, by learned functions of t. Ours does what we already know: each
# convolution has two sets of weights and uses W0 + t W1, *with the t of the pixel*. A convolution is linear in its
# weights, so two plain convolutions are enough: conv(x; W0) + t · conv(x; W1).
#
# **Predict:** W0 of "L1 on", W0 + W1 of the GAN network, t = 0.4 everywhere. What does the network draw?

# %%
layer = MapConv2d(3, 5, "drop", rng=rng)                               # its weights: W0, then W1, (10, 3, 3, 3)
first, second = conv(3, 5), conv(3, 5)
for plain, part in ((first, slice(0, 5)), (second, slice(5, 10))):
    plain.weight.data[...], plain.bias.data[...] = layer.conv.weight.data[part], layer.conv.bias.data[part]
t = rng.random((2, 1, 8, 8)).astype(np.float32)
features = rng.normal(size=(2, 3, 8, 8)).astype(np.float32)
assert np.allclose(layer(np.concatenate([features, t], axis=1)), first(features) + t * second(features), atol=1e-5)

map_net = task.generator(with_map=True)
map_net.load_state_dict(interpolating_state(on_net.state_dict(), gan_net.state_dict()))
flat = as_images(predict(map_net, with_map(task.small_test, 0.4)))
assert np.abs(flat.astype(int) - mixture[0.4]).max() <= 1              # rounding

# %% [markdown]
# It draws what the mixture with a = 0.4 draws. But a mixture was trained only at its two ends. So now the map network
# is trained at all t. To compare fairly, it starts where both others started: W0 is the L1 network, W1 is 0. It gets as
# many steps with the same batches. Each image has a t of its own, drawn evenly from 0 to 1, and the objective pixels +
# t · (features + adversary).
#
# **Predict:** at t = 0 it should do as "L1 on" does, at t = 1 as the GAN does. Will it?

# %%
map_net.load_state_dict(interpolating_state(l1_net.state_dict(), l1_net.state_dict()))
dice = np.random.default_rng(lesson.seed + 6)
train_on("map", map_net, perceptual, patch_discriminator(w, 2, rng=lesson.seed + 3),
         lambda n: dice.random((n, 1, 1, 1)).astype(np.float32))
sweep = np.linspace(0, 1, 5).astype(np.float32)


def drawn(t, small=task.small_test):
    """Return the images that the map network makes of small ones with the map (or the number) t."""
    return as_images(predict(map_net, with_map(small, t)))


fixed = [drawn(t) for t in sweep]
fixed_scores = [scored(images) for images in fixed]
for t, found in zip(sweep, fixed_scores):
    print(f"t = {t:.2f}: PSNR {found['psnr']:.2f} dB, feature distance {found['feature_distance']:.3f}")

# %% [markdown]
# Only partly. t = 1 has 0.361, the feature distance of the GAN (0.362), at a PSNR of 23.84 dB instead of 24.09. t = 0
# has 24.55 dB and 0.381, far from the 24.81 dB and 0.448 of "L1 on". At t = 0 only W0 counts, and W0 was trained for
# all t at once. W1 had just 125 steps to take over what differs. Where both have the same PSNR, the map network is
# where the mixtures are: 24.42 dB with 0.372, mixed weights 24.37 dB with 0.371. So with equal training, one network
# with a map gains nothing here over two networks that are mixed, and its range is smaller. It has one advantage: t may
# differ from pixel to pixel.
#
# ## 10. The best map, and a prediction of it
# Where the truth is known, the best map can be searched: draw the image with each t, measure the feature distance in
# each square of 4 × 4 pixels (averaged with its neighbors), and take the t with the smallest.
#
# The *predictor* gets the small image only: four 3 × 3 convolutions and a sigmoid. It learns from two things: the
# searched maps of training images, with weight 0.02, and the features themselves, whose gradient comes through judge
# and generator, both frozen, and out of the generator at its fourth input channel, the map. So here the judge takes
# part in the training, and its score of the map is no longer neutral. For a second opinion we will ask the teacher,
# which has trained the generators but no map.
#
# (The paper's authors train their predictor on LPIPS, 0.01 × the distance from the searched map, and 0.001 × L1 of the
# pixels. The last term is left out here.)
#
# **Predict:** how well can the best t be known from the small image? Guess the correlation.


# %%
def best_of(drawings, large):
    """Return for each square of 4 × 4 pixels the t whose drawing looks best to the judge, (n, 1, S/4, S/4)."""
    costs = [smoothed(block_means(feature_distance(judge, images, large), 4)) for images in drawings]
    return sweep[np.argmin(costs, axis=0)][:, None]


searched = min(len(task.train), 16 if lesson.quick else 150)
small, large = task.small[:searched], task.train.images[:searched]
maps = best_of([drawn(t, small) for t in sweep], large)
channels = [3, 24, 24, 24, 1]
layers = [layer for pair in zip(channels, channels[1:]) for layer in (conv(*pair), ReLU())]
predictor = Sequential(*layers[:-1], Sigmoid())
by_features, by_map = FeatureLoss(Sequential(*judge.layers[:4])), MSELoss()            # up to the second convolution
optimizer = Adam(predictor.parameters(), 3e-3)
predictor_steps = max(4, steps * 2 // 3)
schedule, line = CosineSchedule(optimizer, predictor_steps), Progress(predictor_steps, "predictor")
for step in range(predictor_steps):
    chosen = rng.integers(0, searched, lesson.batch_size)
    x, real = as_input(small[chosen]), as_input(large[chosen])
    t = predictor.forward(x)                                           # (n, 1, S/4, S/4)
    value = by_features.forward(map_net.forward(with_map(x, t)), real) + 0.02 * by_map.forward(t, maps[chosen])
    dt = backward_frozen(map_net, by_features.backward())[:, 3:] + np.float32(0.02) * by_map.backward()
    predictor.zero_grad()
    predictor.backward_parameters(dt)
    optimizer.step()
    schedule.step()
    line.update(step + 1, "")
line.line(predictor_steps, f"loss {value:.4f}")

# %%
predicted, best = predict(predictor, task.small_test), best_of(fixed, truth)             # (n, 1, S/4, S/4)
correlation = float(np.corrcoef(predicted.ravel(), best.ravel())[0, 1])
with np.errstate(invalid="ignore", divide="ignore"):                   # a map may be the same everywhere
    per_image = np.nan_to_num([np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(predicted, best)])
gray = truth.mean(axis=1)
detail = np.sqrt(np.maximum(block_means(gray**2, 4) - block_means(gray, 4)**2, 0))       # spread inside each square
print(f"correlation of predicted and best t: {correlation:.2f} over all squares, {np.mean(per_image):.2f} on average "
      f"inside an image\ncorrelation with the true image's contrast: best t "
      f"{np.corrcoef(best.ravel(), detail.ravel())[0, 1]:.2f}, predicted t "
      f"{np.corrcoef(predicted.ravel(), detail.ravel())[0, 1]:.2f}")
print(f"best t: mean {best.mean():.2f}, standard deviation {best.std():.2f}; 0 in {np.mean(best == 0):.0%} and 1 in "
      f"{np.mean(best == 1):.0%} of the squares; predicted t: mean {predicted.mean():.2f}, standard deviation "
      f"{predicted.std():.2f}")
for number, name in enumerate(CLASSES):
    share = block_means((task.test.trimaps == number).astype(np.float64), 4)[:, None]
    print(f"{name:<11} mean best t {np.average(best, weights=share):.2f}, predicted "
          f"{np.average(predicted, weights=share):.2f}")
results |= {"predicted map": drawn(predicted), "best map": drawn(best)}
scores |= {name: scored(results[name]) for name in ("predicted map", "best map")}
lesson.figure(comparison({"small": task.small_test[shown].repeat(4, axis=2).repeat(4, axis=3),
                          "best t": colored(best[shown], S), "predicted t": colored(predicted[shown], S),
                          **{f"with {name} t": results[f"{name} map"][shown] for name in ("best", "predicted")}},
                         truth[shown], "Dark blue: t = 0, pixels only; yellow: t = 1",
                         ("with best t", "with predicted t")), "maps")

# %% [markdown]
# Badly: the correlation is 0.13, or 0.15 inside an image. (With seed 1: 0.11 and 0.08.) The best map is wide and jumps:
# 0 in 28 % of the squares, 1 in 46 %. The predicted map is almost flat, 0.55 with a standard deviation of 0.04. With
# both losses, a predictor that knows little does best near the middle.
#
# What decides the best t? One may expect low t along outlines and high t in texture. The numbers say something else: on
# average 0.80 on the pets, 0.75 on their borders, 0.47 on the background. With the contrast inside a square the best t
# correlates by 0.28. In the figure it is 1 on most of the pets, 0 on the walls of the first two images, and 1 on the
# wall of the third. The predictor has the right sign at most: 0.56 on pets and borders, 0.55 on the background.
#
# Does a map pay? Compare it with a single t for all pixels, the one with the same PSNR.
#
# **Predict:** how much of what the best map gains does the predicted one gain?

# %%
fixed_psnr = np.array([found["psnr"] for found in fixed_scores])
order, pays = np.argsort(fixed_psnr), {}
for name, encoder in (("judge", judge), ("teacher", teacher)):
    distances = np.array([feature_distance(encoder, images, truth).mean() for images in fixed])
    for one in ("predicted map", "best map"):
        own = float(feature_distance(encoder, results[one], truth).mean())
        equal = float(np.interp(scores[one]["psnr"], fixed_psnr[order], distances[order]))
        pays[f"{one}, {name}"] = {"map": own, "fixed_t": equal}
        print(f"{one:<13} {scores[one]['psnr']:.2f} dB: feature distance ({name}) {own:.4f}; one t of the same PSNR "
              f"{equal:.4f}")
curves = {"mixed weights": mixed_weights, "mixed images": mixed_images, "one network, one t": fixed_scores,
          "predicted map": [scores["predicted map"]], "best map (knows the truth)": [scores["best map"]]}
points = {name: tuple([row[key] for row in rows[::-1]] for key in ("psnr", "feature_distance"))
          for name, rows in curves.items()}
lesson.figure(plotting.line_chart(points, "Distortion against looks: to the right and low is better", "PSNR (dB)",
                                  "feature distance (judge)", height=420), "tradeoff")

# %% [markdown]
# Next to nothing. The best map has a feature distance of 0.3475, where one t for all pixels has 0.3631 at the same
# PSNR: 0.0156 less. The predicted map has 0.0007 less than one t. By the teacher's opinion it is 0.0146 and 0.0005. So
# there is something to gain from a map, but this predictor cannot find it in 16 × 16 pixels, after 83 steps on 150
# images. The run does not say which of these is the reason. (The best map was chosen by the judge itself and knows the
# truth. No network can be expected to reach it.)
#
# In the chart the mixtures and the network with one t lie on one curve, steep at the right end, flat at the left: the
# first tenths of a dB buy the most.
#
# ## 11. What is left out
# - Of ESRGAN: 22 of its 23 RRDBs, VGG-19 (our encoder knows 1000 rendered pets and one task), a discriminator that
#   judges the whole image, and 400,000 steps (ours: 125).
# - Of the map paper and its authors' code: features of four depths, which join one after the other as t grows; features
#   that the map scales and shifts; a weight of the pixels that falls from 20 to 0.01 as t goes from 0 to 1 (ours stays
#   1); LPIPS, fitted to people's judgments, as the judge; a U-Net that gets VGG's features as the predictor.
# - People. Neither PSNR nor our feature distance has been compared with what people prefer. That a network cannot be
#   best in distortion and in looks at once has a proof: Blau, Michaeli, "The Perception-Distortion Tradeoff", 2018,
#   arXiv 1711.06077.
#
# ## Recap
# - A perceptual loss compares features of a frozen network, a GAN's adversary asks whether an image could be real. Both
#   gradients come through networks that do not learn from them.
# - The features lowered the feature distance from 0.448 to 0.366 and cost 0.6 dB of PSNR. The adversary added little.
#   More training with pixels alone changed nothing.
# - A generator can take its aim as an input, a map. With equal training it was not better than mixing two networks. The
#   best map would help (0.016 in feature distance), but the predicted one had a correlation of 0.13 with it.

# %%
lesson.finish(scores=scores, feature_distance_at_equal_psnr=pays, correlation_of_maps=correlation, contrast=contrast,
              mixed_weights=dict(zip(map(str, alphas), mixed_weights)),
              mixed_images=dict(zip(map(str, alphas), mixed_images)),
              fixed_t=dict(zip((f"{t:.2f}" for t in sweep), fixed_scores)), first_loss=first_loss, last_loss=last_loss,
              steps=steps, training_images=len(task.train), test_images=len(task.test))
if lesson.as_intended:
    for name in ("L1", "L1 on"):
        assert scores["GAN"]["feature_distance"] < scores[name]["feature_distance"]
        assert scores["GAN"]["psnr"] < scores[name]["psnr"]

# %% [markdown]
# **Try:**
# 1. ★ `rate = 0.02` in the smallest GAN, then `rate = 1`. With 0.02 you should see μ at 3.97 at last: it is still on
#    its way through the first circle. With 1 you should see a last discriminator loss of 5.03, worse than knowing
#    nothing (1.386).
# 2. ★★ `train_on("features", features_net, FeatureLoss(untrained))`. The PSNR should be 24.6 to 24.9 dB, the feature
#    distance 0.42 to 0.45. Is it the training of the encoder that is missing, or only its weight? (`print_pull` helps.)
# 3. ★★ `train_on("GAN", gan_net, None, critic)`: the adversary without features. The feature distance should be 0.36 to
#    0.40, the PSNR 24.2 to 24.6 dB. What does "adds little" in section 7 mean, then?
# 4. ★★★ Train longer (`steps`), with a wider discriminator. Does the adversary's part grow? Compare two seeds before
#    you believe a difference.
