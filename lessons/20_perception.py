# %% [markdown]
# # 20 · Perception: what should an enlarged image look like?
# Slide 33, further reading. *Many large images shrink to the same small one. Which of them should be drawn?*
#
# **New here:** the adversary of ESRGAN and its perceptual loss, that is training *through* frozen networks; and a map
# that says at each place what to aim for. Two papers, downsized:
#
# - Wang et al., "ESRGAN: Enhanced Super-Resolution Generative Adversarial Networks", 2018, arXiv 1809.00219
# - Park, Moon, Cho, "Perception-Oriented Single Image Super-Resolution using Optimal Objective Estimation", CVPR 2023,
#   arXiv 2211.13676
#
# **Needs:** the network of lesson 19, which is trained here again.

# %%
import copy

import numpy as np

from minidl import (
    Adam, Conv2d, CosineSchedule, FeatureLoss, L1Loss, MSELoss, ReLU, RelativisticAverageLoss, Sequential, Sigmoid,
    patch_discriminator, rrdb_net,
)
from minidl.batches import as_input
from minidl.checkpoint import load_weights, save_weights
from minidl.course.lesson import Lesson
from minidl.plotting import canvas
from minidl.runtime.progress import Progress
from minidl.step import predict
from minidl.tasks.super_resolution.experiment import SuperResolution, cycle
from minidl.tasks.super_resolution.figures import colored, comparison
from minidl.tasks.super_resolution.images import METHODS, as_images, block_means, resized, smoothed
from minidl.tasks.super_resolution.losses import backward_frozen
from minidl.tasks.super_resolution.map_conv import interpolated_state, interpolating_state, with_map
from minidl.tasks.super_resolution.perceptual import feature_distance, train_encoder

lesson = Lesson("20_perception", budget=14_000, quick_epochs=8)          # few images: few steps an epoch

# %%
growth = max(1, lesson.width // 2)


def generator(**more):
    """Return the network of lesson 19, untrained."""
    return rrdb_net(4, lesson.width, growth, blocks=1, base="bilinear", **more)


task = SuperResolution(lesson, 4)
truth = task.test.images                                            # (n, 3, S, S) uint8
distortion_net = generator(rng=lesson.seed)
first_loss = L1Loss()(predict(distortion_net, task.small[:200]), as_input(task.train.images[:200]))
history = task.fit(distortion_net, "x4")
if history.stopped:
    raise SystemExit("all that follows begins with this network: run it again with --resume")
results = {4: {method: resized(task.small_test, lesson.size, method) for method in METHODS}}
results[4]["L1"] = task.enlarged(distortion_net)
scores = {4: {method: task.scores(images) for method, images in results[4].items()}}

# %% [markdown]
# ## 1. Second aim: look right
# ### What "look alike" means: features
# A network that was trained on images sees edges, patterns, parts. Compare what it sees, not the pixels. The paper
# takes VGG-19, trained on 1.2 million photos; we train a small encoder here, in seconds, to tell pet, border and
# background apart, and cut it before its last activation (behind a ReLU most features are 0, and say nothing).
#
# A second encoder, from other random weights, is the *judge*: a generator that is trained to please one encoder should
# not be scored by the same. The score is the *feature distance*: both images' features at a place, behind each of the
# three convolutions, as arrows of length 1; the squared distance of their tips; the mean over all places. 0 is equal.

# %%
encoder_epochs = 1 if lesson.quick else max(1, 4000 // len(task.train))
eye = train_encoder(task, lesson.width // 2, seed=lesson.seed + 1, epochs=encoder_epochs)
judge = train_encoder(task, lesson.width // 2, seed=lesson.seed + 2, epochs=encoder_epochs)
eye.summary((1, 3, lesson.size, lesson.size))


def looks(pictures):
    """Return the mean feature distance of held-out images from the true ones, as the judge sees it."""
    return float(feature_distance(judge, pictures, truth).mean())


for method, pictures in results[4].items():
    scores[4][method]["feature_distance"] = looks(pictures)
    print(f"{method:<9} feature distance {scores[4][method]['feature_distance']:.3f}")

# %% [markdown]
# The judge minds blur more than blocks: it ranks nearest before bicubic, against PSNR. Scores are aims, too; each
# rewards what it was made of.
#
# ### The adversary
# A second network, the *discriminator*, is shown true and enlarged images and learns to tell them apart; the
# generator learns to be mistaken for true. In ESRGAN the discriminator is *relativistic*: it need not say "real" or
# "fake", only which of two looks more real. With the logits C and averages over the batch,
#
#     L_D = mean softplus(-(C(real) - mean C(fake))) + mean softplus(C(fake) - mean C(real))
#
# and the generator's loss is the same with the roles exchanged. Ours judges squares of 4 × 4 pixels and their
# surroundings, not whole images: in so few steps, it learns more from 256 squares than from one image.
#
# **Predict:** both losses, if the discriminator cannot tell real from fake. (softplus(0) = ln 2 = 0.693)

# %%
critic = patch_discriminator(max(1, lesson.width // 2), 2, rng=lesson.seed + 3)
critic.summary((1, 3, lesson.size, lesson.size))
adversarial, perceptual, pixels = RelativisticAverageLoss(), FeatureLoss(eye), L1Loss()
assert np.isclose(adversarial(np.zeros((4, 1)), np.array([1, 1, 0, 0])), 2 * np.log(2))

# %% [markdown]
# ### Backward through frozen networks
# The generator's gradient comes *through* two networks that must not learn from it: the encoder, and the discriminator,
# which would learn to be fooled. `backward` does two things, it returns dx and adds to the parameters' gradients. We
# want only the first; `backward_frozen` takes back the second.
#
# Below, real and fake images go through the discriminator as one batch. Only the fake ones came from the generator,
# so of the discriminator's dx only their half goes on.

# %%
WEIGHT = {"pixels": 1.0, "features": 0.3, "adversary": 0.01}        # of the three terms


def objective(critic, perceptual, fake, real, t):
    """Return the generator's loss, term by term, its derivative (n, 3, S, S), and the critic's logits.

    t, a number or (n, 1, 1, 1): how much the features and the adversary count, besides the pixels.
    """
    n = len(real)
    logits = critic.forward(np.concatenate([real, fake]))           # (2n, 1, S/4, S/4)
    value = {"pixels": pixels.forward(fake, real), "features": perceptual.forward(fake, real),
             "adversary": adversarial.forward(logits, np.repeat([0, 1], n))}     # roles exchanged: fake should win
    dlooks = (WEIGHT["features"] * perceptual.backward()
              + WEIGHT["adversary"] * backward_frozen(critic, adversarial.backward())[n:])
    return value, WEIGHT["pixels"] * pixels.backward() + t * dlooks, logits


# %% [markdown]
# Is that gradient right? Move one weight of the generator a little to both sides and look at the loss, in float64. (A
# very little: |x|, LeakyReLU and max pooling have kinks, and among so many pixels some are always near one. A kink that
# is crossed costs a few ten-thousandths; the smallest of the three terms, the adversary's, has a share of some
# thousandths and would be missed.) And does the discriminator stay as it was?

# %%
generator64, critic64, eye64 = (copy.deepcopy(net).astype(np.float64) for net in (distortion_net, critic, eye))
x, real = next(iter(task.pairs(lesson.seed)))                       # (n, 3, S/4, S/4), (n, 3, S, S)
x64, real64 = x[:2].astype(np.float64), real[:2].astype(np.float64)


def loss64():
    value, _, _ = objective(critic64, FeatureLoss(eye64), generator64.forward(x64), real64, t=1.0)
    return sum(WEIGHT[name] * value[name] for name in WEIGHT)


for parameter in critic64.parameters():
    parameter.grad[...] = 5                                         # would show any trace
state = critic64.state_dict()
fake = generator64.forward(x64)
_, dfake, _ = objective(critic64, FeatureLoss(eye64), fake, real64, t=1.0)
generator64.zero_grad()
generator64.backward_parameters(dfake)
weight, h = generator64.parameters()[0], 1e-8
analytic = float(weight.grad[0, 0, 1, 1])
moved = []
for step in (h, -2 * h):
    weight.data[0, 0, 1, 1] += step
    moved.append(loss64())
numeric = (moved[0] - moved[1]) / (2 * h)
print(f"derivative by one weight: backward {analytic:.8f}, difference {numeric:.8f}")
assert abs(analytic - numeric) < 1e-3 * max(abs(analytic), abs(numeric))
assert all((parameter.grad == 5).all() for parameter in critic64.parameters())
assert all(np.array_equal(array, state[name]) for name, array in critic64.state_dict().items())

# %% [markdown]
# ### Training two networks against each other
# A step of each, alternately. The discriminator's forward of the generator's step serves its own step, too: neither its
# weights nor the images have changed, so its logits have not. Its gradients are zeroed *after* the generator's step,
# and only `critic.backward_parameters` adds to them.
#
# A duel does not settle down as a loss does. So we keep a running average of the generator's weights over about the
# last hundred steps, and take that (the paper does not). Its Adam also forgets faster than usual (betas 0.5, 0.99).
#
# **Predict:** how do PSNR and feature distance change? Can both improve, if distortion punishes a texture that may be
# wrong, and looking right demands one?


# %%
def duel(name, generator, critic, steps, lr, sample_map=None):
    """Train generator and critic alternately; afterwards the generator has its average weights.

    sample_map(n): draws how much of the second aim each of n images gets, (n, 1, 1, 1); it is also their map.
    """
    path = lesson.out / "checkpoints" / f"{name}.npz"
    if lesson.resume and path.exists():
        return load_weights(path, generator)
    optimizers = [Adam(net.parameters(), lr, betas=(0.5, 0.99)) for net in (generator, critic)]
    schedules = [CosineSchedule(optimizer, steps, final_lr=lr / 10) for optimizer in optimizers]
    average, line = generator.state_dict(), Progress(steps, name)
    for step, (x, real) in zip(range(steps), cycle(task.pairs(lesson.seed + 4))):
        t = 1.0 if sample_map is None else sample_map(len(x))
        fake = generator.forward(x if sample_map is None else with_map(x, t))
        value, dfake, logits = objective(critic, perceptual, fake, real, t)
        generator.zero_grad()
        generator.backward_parameters(dfake)
        optimizers[0].step()
        value["critic"] = adversarial.forward(logits, np.repeat([1, 0], len(real)))
        critic.zero_grad()
        critic.backward_parameters(adversarial.backward())
        optimizers[1].step()
        for schedule in schedules:
            schedule.step()
        for key, array in generator.state_dict().items():
            average[key] += max(0.01, 1 / (step + 1)) * (array - average[key])
        line.update(step + 1, " ".join(f"{key} {number:.3f}" for key, number in value.items()))
    line.line(steps, " ".join(f"{key} {number:.3f}" for key, number in value.items()))
    generator.load_state_dict(average)
    save_weights(path, generator)


# %%
steps = 4 if lesson.quick else max(4, task.epochs * len(task.pairs(0)) // 4)
looks_net = generator()
looks_net.load_state_dict(distortion_net.state_dict())              # begins where the first aim ended
duel("gan", looks_net, critic, steps, lesson.lr / 8)
results[4]["GAN"] = task.enlarged(looks_net)
scores[4]["GAN"] = task.scores(results[4]["GAN"]) | {"feature_distance": looks(results[4]["GAN"])}
for method in ("bicubic", "L1", "GAN"):
    print(f"{method:<8}", "  ".join(f"{key.replace('_', ' ')} {value:.3f}" for key, value in scores[4][method].items()))

# %%
shown = np.linspace(0, len(truth) - 1, 1 if lesson.quick else 3).astype(int)
small = task.small_test[shown].repeat(4, axis=2).repeat(4, axis=3)
columns = {"small": small, **{name: results[4][name][shown] for name in ("bilinear", "bicubic", "L1", "GAN")}}
means = ", ".join(f"{name} {scores[4][name]['psnr']:.1f}" for name in ("bicubic", "L1", "GAN"))
figure = comparison(columns, truth[shown], f"Four times larger, with a detail below each (mean PSNR: {means} dB)",
                    scored=("bilinear", "bicubic", "L1", "GAN"))
lesson.figure(figure, "comparison")

# %% [markdown]
# Look at the details. Bicubic is blurred, L1 sharp where there is an outline and smooth elsewhere. The GAN invents what
# may have been there, crisper edges and grain in fur and grass, with colored specks between, the mark of a short duel,
# and pays for it in PSNR. None of them brings the eyes back: in 4 × 4 small pixels they are not.
#
# ### Between the two: network interpolation
# Both networks began as the same one, so their weights can be mixed, (1 - a) · L1 + a · GAN, and each mixture is a
# network that works. (Between two trainings from different random weights, it would not.) **Predict:** is the mixture's
# curve of PSNR and feature distance a straight line between its ends?

# %%
alphas = [0, 0.2, 0.4, 0.6, 0.8, 1]
mixed_net = generator()
mixtures, mixture_scores = [], []
for alpha in alphas:
    mixed_net.load_state_dict(interpolated_state(distortion_net.state_dict(), looks_net.state_dict(), alpha))
    mixtures.append(task.enlarged(mixed_net))
    mixture_scores.append(task.scores(mixtures[-1]) | {"feature_distance": looks(mixtures[-1])})
    print(f"a = {alpha}: ", "  ".join(f"{k.replace('_', ' ')} {v:.3f}" for k, v in mixture_scores[-1].items()))
columns = {f"a = {alpha}": pictures[shown] for alpha, pictures in zip(alphas, mixtures)}
figure = comparison(columns, truth[shown], "Mixing the weights of two networks: from L1 (a = 0) to GAN (a = 1)")
lesson.figure(figure, "interpolation")

# %% [markdown]
# The curve bends in our favor: the first steps away from L1 cost little PSNR and win much in looks, the last ones cost
# much and win little. A mixture also averages out what either network does wrong by itself.
#
# ## 2. Third aim: at each place the one that suits it
# One a for a whole image is crude. A sharp outline wants the first aim, grass the second. Park, Moon and Cho let one
# generator take a *map* t(x, y) from 0 to 1 besides the image, train it on all aims at once, and let a second,
# small network predict the best map from the small image.
#
# In the paper the map scales and shifts the features (with learned functions of t). Ours steps in where we already are,
# the network interpolation: each convolution gets weights W0 + t W1, *with the t of the pixel*. As a convolution is
# linear in its weights, that is conv(x; W0) + t · conv(x; W1). The map travels along as the last channel of all maps.
#
# **Predict:** W0 of the L1 network, W0 + W1 of the GAN network, and a map of 0.4 everywhere. What comes out?

# %%
map_net = generator(with_map=True)
map_net.load_state_dict(interpolating_state(distortion_net.state_dict(), looks_net.state_dict()))
flat = as_images(predict(map_net, with_map(task.small_test, 0.4)))
print(f"largest difference to a = 0.4: {np.abs(flat.astype(int) - mixtures[2]).max()} of 255")
assert np.abs(flat.astype(int) - mixtures[2]).max() <= 1             # rounding

# %% [markdown]
# So far only its ends were trained. Now each training image gets a t of its own, drawn evenly from 0 to 1, and with
# it the objective L1 + t · (features + adversary). (The paper's objective also moves through four depths of features.)

# %%
map_critic = patch_discriminator(max(1, lesson.width // 2), 2, rng=lesson.seed + 5)
dice = np.random.default_rng(lesson.seed + 6)
duel("map", map_net, map_critic, max(4, steps * 3 // 4), lesson.lr / 8,
     sample_map=lambda n: dice.random((n, 1, 1, 1)).astype(np.float32))
sweep = np.linspace(0, 1, 6)


def drawn(t, small=task.small_test):
    """Return the images that the map network makes of small ones with the map (or the number) t."""
    return as_images(predict(map_net, with_map(small, t)))


fixed = [drawn(t) for t in sweep]
fixed_scores = [task.scores(pictures) | {"feature_distance": looks(pictures)} for pictures in fixed]
for t, found in zip(sweep, fixed_scores):
    print(f"t = {t:.1f}: ", "  ".join(f"{key.replace('_', ' ')} {value:.3f}" for key, value in found.items()))
columns = {f"t = {t:.1f}": pictures[shown] for t, pictures in zip(sweep, fixed)}
figure = comparison(columns, truth[shown], "One network, told by t what to aim for: from L1 (0) to looks (1)")
lesson.figure(figure, "objectives")

# %% [markdown]
# In the middle these look better than the mixtures of the same PSNR (the figure at the end shows both), as it was
# trained for its own aim. But t = 0 is no longer quite as near to the truth as the L1 network: one network now does the
# work of many.
#
# ### The best map, searched, and then predicted
# For training images the truth is known: draw them with each t, measure the judge's feature distance at each place
# (a mean over 4 × 4 pixels and their neighbors, as features look around), and take the t with the smallest.
#
# The predictor sees the small image only, four 3 × 3 convolutions and a sigmoid, and learns from two sources, as in
# the authors' code: the searched maps, and the feature distance itself, whose gradient comes *through* encoder and
# generator, both frozen, out at the generator's fourth input channel, which is the map.
#
# So here the judge is the teacher, too (as LPIPS is in the paper). For a second opinion on the result we ask the first
# encoder: it has trained the generator, but no map.


# %%
def best_map(small, large):
    """Return for each pixel of small images the t of the sweep that looks best to the judge, (n, 1, S/4, S/4)."""
    costs = [smoothed(block_means(feature_distance(judge, drawn(t, small), large), 4)) for t in sweep]
    return sweep[np.argmin(costs, axis=0)][:, None].astype(np.float32)


searched = min(len(task.train), 16 if lesson.quick else 300)
maps = best_map(task.small[:searched], task.train.images[:searched])
rng = np.random.default_rng(lesson.seed + 7)
channels = [3, 24, 24, 24, 1]
layers = [layer for a, b in zip(channels, channels[1:]) for layer in (Conv2d(a, b, 3, padding="same", rng=rng), ReLU())]
predictor = Sequential(*layers[:-1], Sigmoid())
features, on_map = FeatureLoss(Sequential(*judge.layers[:4])), MSELoss()       # up to the second convolution
optimizer = Adam(predictor.parameters(), 3e-3)
steps = max(4, steps * 4 // 5)
schedule, line = CosineSchedule(optimizer, steps), Progress(steps, "predictor")
for step in range(steps):
    chosen = rng.integers(0, searched, lesson.batch_size)
    x, real = as_input(task.small[chosen]), as_input(task.train.images[chosen])
    t = predictor.forward(x)                                                     # (n, 1, S/4, S/4)
    value = features.forward(map_net.forward(with_map(x, t)), real)
    dt = backward_frozen(map_net, features.backward())[:, 3:]
    value += 0.02 * on_map.forward(t, maps[chosen])
    predictor.zero_grad()
    predictor.backward_parameters(dt + np.float32(0.02) * on_map.backward())
    optimizer.step()
    schedule.step()
    line.update(step + 1, f"loss {value:.4f}")

# %%
predicted = predict(predictor, task.small_test)                                 # (n, 1, S/4, S/4)
best = best_map(task.small_test, truth)
results[4]["map"] = drawn(predicted)
scores[4]["map"] = task.scores(results[4]["map"]) | {"feature_distance": looks(results[4]["map"])}
scores[4]["best map"] = task.scores(drawn(best)) | {"feature_distance": looks(drawn(best))}
fixed_psnr = np.array([found["psnr"] for found in fixed_scores])
order = np.argsort(fixed_psnr)
pays = {}                                           # what the map's distance is, and that of a fixed t of equal PSNR
for name, encoder in (("judge", judge), ("first_encoder", eye)):
    distances = np.array([feature_distance(encoder, pictures, truth).mean() for pictures in fixed])
    equal = np.interp(scores[4]["map"]["psnr"], fixed_psnr[order], distances[order])
    pays[name] = {"map": float(feature_distance(encoder, results[4]["map"], truth).mean()), "fixed_t": float(equal)}
    print(f"feature distance ({name.replace('_', ' ')}): map {pays[name]['map']:.4f}, fixed t of the same PSNR, "
          f"{scores[4]['map']['psnr']:.2f} dB: {pays[name]['fixed_t']:.4f}")

# %%
columns = {"small": task.small_test[shown].repeat(4, axis=2).repeat(4, axis=3),
           "predicted t": colored(predicted[shown], lesson.size), "best t": colored(best[shown], lesson.size),
           "t = 0": fixed[0][shown], "t = 1": fixed[-1][shown], "predicted map": results[4]["map"][shown]}
figure = comparison(columns, truth[shown], "Where to aim for what: t predicted from the small image, and the best t, "
                    "for which one must know the truth (blue 0: L1, yellow 1: looks)")
lesson.figure(figure, "maps")

# %% [markdown]
# The predicted map is soft, where the searched one jumps: a look at 16 × 16 pixels tells on which side the best t
# probably lies, seldom more. Does it pay? Draw all networks by their two scores. To the right is nearer to the truth,
# further down looks more like it; the lower right corner is where one would like to be.

# %%
figure = canvas.blank(760, 470)
canvas.write(figure, 12, 20, "Distortion against looks" + lesson.headline(": what helps the one costs the other", ""),
             canvas.TITLE, 730, weight="bold")
axes = canvas.place(figure, 66, 46, 660, 360)
canvas.quiet(axes)
curves = {"mixed weights of two networks (labels: a)": (mixture_scores, alphas, canvas.LINE_COLORS[0], 6),
          "one network with a fixed t (labels: t)": (fixed_scores, sweep.tolist(), canvas.LINE_COLORS[1], -17)}
for name, (rows, labels, color, above) in curves.items():
    distortion, distance = ([row[key] for row in rows] for key in ("psnr", "feature_distance"))
    axes.plot(distortion, distance, "o-", color=color, linewidth=1.4, markersize=4, label=name)
    for label, x_at, y_at in zip(labels, distortion, distance):
        axes.annotate(f"{label:g}", (x_at, y_at), (0, above), textcoords="offset points", fontsize=7, color=color,
                      ha="center")
for name, marker, color in (("map", "*", canvas.LINE_COLORS[2]), ("best map", "D", canvas.LINE_COLORS[3])):
    label = "predicted map" if name == "map" else "best map (knows the truth)"
    axes.plot(scores[4][name]["psnr"], scores[4][name]["feature_distance"], marker, color=color, label=label,
              markersize=11 if name == "map" else 6, linestyle="none")
axes.legend(fontsize=8, frameon=False)
axes.set_xlabel("PSNR (dB)", fontsize=canvas.SMALL, color=canvas.QUIET)
axes.set_ylabel("feature distance", fontsize=canvas.SMALL, color=canvas.QUIET)
lesson.figure(figure, "tradeoff")

# %% [markdown]
# In the middle, the network that was trained there beats the mixtures. That its map may change from place to place adds
# next to nothing: a difference in the third digit, and with a sample of 20 real images to learn from not even that.
# How much there would be to win shows the best map, which cheats. Most of what makes a place want this or that t cannot
# be seen in the small image.
#
# **What the downsized versions leave out.** Of ESRGAN: 22 of 23 RRDBs, VGG-19 (our encoder has seen a thousand images
# and one task), a discriminator that sees the whole image, hundreds of thousands of steps, and weights of 1 for
# features, 0.005 for the adversary and 0.01 for L1 (ours: 0.3, 0.01 and 1; features of another network have another
# scale). Of the objective map: features of four depths that t leads through one after the other, modulated features
# instead of interpolated weights, LPIPS, which was fitted to the judgement of people, as the judge, and a U-Net that
# sees VGG's features as the predictor. What is left is the idea, and it shows: sharper outlines, some texture.

# %%
lesson.finish(x4=scores[4],
              feature_distance_at_equal_psnr=pays,
              interpolation=dict(zip(map(str, alphas), mixture_scores)),
              fixed_t=dict(zip((f"{t:.1f}" for t in sweep), fixed_scores)),
              first_loss=first_loss, last_loss=history[-1]["loss"], epochs=len(history),
              training_images=len(task.train), test_images=len(task.test))
if lesson.as_intended and not history.stopped:
    assert scores[4]["GAN"]["feature_distance"] < scores[4]["L1"]["feature_distance"]
    assert scores[4]["GAN"]["psnr"] < scores[4]["L1"]["psnr"]

# %% [markdown]
# **Try:**
# 1. `WEIGHT["adversary"] = 0`, then `WEIGHT["features"] = 0`. Which of the two brings the texture, which the sharp
#    outline? Compare `comparison.png` and the feature distance.
# 2. Replace `interpolating_state(...)` by the state of two `rrdb_net` of *different* seeds, trained each for the same
#    aim. What does the mixture at 0.5 draw, and what is its PSNR? (That the GAN began where L1 ended is what makes
#    mixing work.)
