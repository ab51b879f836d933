# %% [markdown]
# # 05 · Localization: where is the pet?
# Slide 2. *How does a network answer with a place instead of a class, and when is the answer good?*
#
# **New here:** the box as four numbers; intersection over union; the smooth L1 loss; an image that is moved takes its
# box along.
#
# **Needs:** dense layers (lesson 0), regression (lesson 3), convolution, pooling (lesson 4), augmentation (lesson 5).

# %%
import numpy as np

from minidl import Adam, CosineSchedule, L1Loss, MSELoss, SmoothL1Loss, localizer, plotting
from minidl.course.lesson import Lesson
from minidl.datasets.augment import Augment
from minidl.plotting import canvas
from minidl.step import predict
from minidl.tasks.detection.box_batches import BoxBatches
from minidl.tasks.detection.boxes import clip, decode, encode, iou_pairs
from minidl.tasks.detection.figures import boxes_on_images
from minidl.training import fit

lesson = Lesson("06_localization", budget=30_000, width=8, batch_size=16, quick_epochs=12)     # 3 steps an epoch then
S = lesson.size

# %% [markdown]
# ## 1. The data
# In: an image. Out: the pet's *box*, the smallest upright rectangle around it. Four numbers say it: left, upper, right
# and lower edge, x0, y0, x1, y1, in pixels from the upper left corner. We get it from the *trimap* that comes with each
# image and says of each pixel whether it is *object* (the pet), *background*, or *border*, the band of a few pixels
# between them: the first and last column, and the first and last row, that are not background.


# %%
def load(split):
    """Read a split's images; those without a pet in the trimap have no box, and are left out and named."""
    pets = lesson.pets(split)
    without = np.isnan(pets.boxes[:, 0])
    if without.any():
        print(f"{split}: left out, because there is no pet in the trimap: {', '.join(pets[without].names)}")
    return pets[~without]


train, test = load("train"), load("test")
print(f"{len(train)} images to train on, {len(test)} held out")
lesson.figure(boxes_on_images(train.images[:8], train.boxes[:8, None], true_name="the pet's box",
                              title="Training images and their boxes"), "data",
              alt="Eight training images, each with the box around its pet")

# %% [markdown]
# ## 2. When is a box right? Intersection over union, IoU
# Hardly ever to the pixel, so we ask *how* right it is: the area that the predicted and the true box share, divided by
# the area that they cover together. 1 is perfect, 0 a miss; unlike a distance in pixels it means the same for small
# pets and large ones.
#
# **Predict:** a box of 10 × 10 pixels is guessed 1 pixel too far right; 2 pixels; 5 pixels. IoU?

# %%
box = [0, 0, 10, 10]
moved = [[1, 0, 11, 10], [2, 0, 12, 10], [5, 0, 15, 10]]
overlaps = iou_pairs([box] * 3, moved)
assert np.allclose(overlaps, [9 / 11, 8 / 12, 5 / 15])
print("IoU: " + ", ".join(f"{value:.2f}" for value in overlaps))

# %% [markdown]
# It falls quickly: 0.82, 0.67, 0.33. Usually 0.5 or more is called a hit.
#
# ## 3. What is it worth to know nothing?
# Before any network: how good are answers that do not look at the image? Two of them: always the whole image, and
# always the mean of the training boxes.
#
# **Predict:** is mean IoU 0.6 hard to reach?

# %%
whole_box = np.array([[0, 0, S, S]], np.float32)
mean_box = train.boxes.mean(axis=0, keepdims=True)                                 # (1, 4)


def iou_of(boxes, pets):
    """IoU (n,) of boxes (n, 4), or of one box for all, with the true ones."""
    return iou_pairs(np.broadcast_to(boxes, pets.boxes.shape), pets.boxes)


baselines = {"whole image": iou_of(whole_box, test), "mean box": iou_of(mean_box, test)}
print("mean IoU on the held-out images: "
      + ", ".join(f"{name} {iou.mean():.3f}" for name, iou in baselines.items()))

# %% [markdown]
# It is not hard at all. Whoever takes an image of a pet puts it in the middle and fills the frame with it, and a box
# in the middle overlaps with any other. On the rendered pets the mean box reaches 0.69. So a score means nothing
# without such a *baseline* beside it, and 0.6 would prove nothing: a network that looks must beat 0.69 clearly.
#
# ## 4. Which four numbers?
# The four edges, or rather: by how much the box differs from a guess made beforehand, the *anchor*. Ours is the mean
# box. With center x, y and size w, h, and the anchor's xa, ya, wa, ha:
#
#     tx = (x - xa) / wa      ty = (y - ya) / ha      tw = log(w / wa)      th = log(h / ha)
#
# Why so? Whatever the network answers is a box: no x0 > x1. Twice as wide (+0.69) and half as wide (-0.69) are equally
# far off, as they are for IoU. And the numbers do not depend on the size of the image, nor on where the anchor is:
# with one anchor for all images that is no great gain (see Try 1), but lesson 7 will have 144 of them. Finally, we
# divide each of the four by its standard deviation over the training images (as in lesson 3), so that all are of the
# order of 1.
#
# **Predict:** which box does a network mean that answers (0, 0, 0, 0)?

# %%
spread = encode(train.boxes.astype(np.float64), mean_box).std(axis=0).clip(1e-3)   # (4,)


def to_targets(boxes):
    return encode(boxes, mean_box, spread).astype(np.float32)                      # (n, 4)


def to_boxes(answers):
    return clip(decode(answers, mean_box, spread), S, S)                           # (n, 4), within the image


targets = to_targets(train.boxes)
print("mean of the four " + " ".join(f"{value:+.2f}" for value in targets.mean(axis=0)) + ", standard deviation "
      + " ".join(f"{value:.2f}" for value in targets.std(axis=0)))
assert np.allclose(to_boxes(targets), train.boxes, atol=1e-3), "back and forth"
assert np.allclose(to_boxes(np.zeros((1, 4), np.float32)), mean_box, atol=1e-3), "zeros: the anchor itself"

# %% [markdown]
# ## 5. The loss: smooth L1
# Squared error lets one box that is far off pull as hard as many that are nearly right, since its slope grows with the
# error. The absolute error pulls with the same force everywhere, and so never comes to rest. *Smooth L1* is squared
# near 0 and absolute further away: L = e²/2 for |e| < 1, else |e| - 1/2.
#
# **Predict:** for an error of 3, which slopes do the three have?

# %%
e = np.linspace(-3, 3, 241)
zero = np.zeros(1)
losses = {"squared": MSELoss("sum"), "absolute": L1Loss("sum"), "smooth L1": SmoothL1Loss("sum")}
values = {name: [loss(np.array([v]), zero) for v in e] for name, loss in losses.items()}
slopes = {}
for name, loss in losses.items():
    loss(e, np.zeros_like(e))
    slopes[name] = loss.backward()
assert [slopes[name][-1] for name in losses] == [6, 1, 1]
figure = canvas.blank(660, 270)
canvas.write(figure, 12, 20, "Three losses of one number's error, and their slopes", canvas.TITLE, 636, weight="bold")
for panel, (title, lines, top) in enumerate((("loss", values, 4), ("slope", slopes, 3))):
    axes = canvas.place(figure, 40 + 270 * panel, 56, 230, 170)
    canvas.quiet(axes)
    canvas.write(figure, 40 + 270 * panel, 44, title, canvas.TEXT, 100)
    for k, (name, line) in enumerate(lines.items()):
        axes.plot(e, line, color=canvas.LINE_COLORS[k], linewidth=2.4 - 0.6 * k)
        if not panel:
            canvas.write(figure, 560, 80 + 22 * k, name, canvas.TEXT, 90, color=canvas.LINE_COLORS[k])
    axes.set(xlim=(-3, 3), ylim=(0 if not panel else -top, top), xticks=range(-3, 4))
    canvas.write(figure, 155 + 270 * panel, 256, "error", canvas.TEXT, 100, ha="center", color=canvas.QUIET)
lesson.figure(figure, "losses", alt="Loss and slope over the error from -3 to 3. The squared error's slope grows to 6, "
              "the absolute error's is 1 or -1, that of smooth L1 goes from -1 to 1 in a straight line between")

# %% [markdown]
# 6, 1 and 1: smooth L1 pulls like the absolute error far off, and ever less the nearer it comes.
#
# ## 6. Whatever moves the image moves the box
# As in lesson 5, images are flipped, and also parts of them cut out and enlarged: no two epochs look alike. The box
# must follow.
# A flip turns x0 into S - x1, but what if a crop cuts off the tail? We do not calculate, we look: the trimap takes
# part in everything that happens to its image (`Augment` sees to that), and the box is read off the trimap
# afterwards. It is around what is *seen* of the pet.

# %%
augment = Augment(flip=0.5, crop=(0.85, 1), shift=0, color=0.2)
batches = BoxBatches(train, to_targets, lesson.batch_size, np.random.default_rng(lesson.seed), augment)
size = np.prod(train.boxes[:, 2:] - train.boxes[:, :2], axis=1)                    # (n,) square pixels
same = train[np.repeat(np.argsort(size)[:2], 4)]                            # the two smallest, four times each
x, answers = next(iter(BoxBatches(same, to_targets, 8, np.random.default_rng(lesson.seed), augment)))
lesson.figure(boxes_on_images(x, to_boxes(answers)[:, None], title="Two training images, each varied four times: "
                              "the box goes along", true_name="the pet's box"), "augmented",
              alt="Two images, each four times, flipped or not, cropped and tinted; the box always fits the pet")

# %% [markdown]
# ## 7. The model
# Convolution and pooling as for a classifier (lesson 4), then two dense layers; the last has four outputs, and nothing
# behind it: they may be any numbers. Its weights begin as 0, so that the first answer to any image is the anchor.

# %%
model = localizer(lesson.width, S, rng=lesson.seed)
model.summary((1, 3, S, S))
assert not predict(model, test.images[:2]).any()

# %% [markdown]
# ## 8. Training
# Ten steps on one batch, in the open; then as many epochs as the budget of images allows.
#
# **Predict:** what is the loss before the first step, roughly, if the targets have standard deviation 1?

# %%
loss = SmoothL1Loss()
optimizer = Adam(model.parameters(), lesson.lr)
before = np.array([(loss(model(x), answers), len(x)) for x, answers in batches])
first_loss = float(np.average(before[:, 0], weights=before[:, 1]))                  # a short last batch counts less
print(f"loss of the mean box: {first_loss:.3f}")
x, answers = next(iter(batches))                                                   # (n, 3, S, S), (n, 4)
steps = []
for _ in range(10):
    optimizer.zero_grad()
    steps.append(loss.forward(model.forward(x), answers))
    model.backward_parameters(loss.backward())
    optimizer.step()
print("ten steps on one batch: " + " ".join(f"{value:.2f}" for value in steps))
assert steps[-1] < steps[0]


# %%
def scores(model):
    """Mean IoU on the held-out images, and the share of boxes with an IoU of 0.75 or more."""
    iou = iou_of(to_boxes(predict(model, test.images)), test)
    return {"mean_iou": float(iou.mean()), "share_above_075": float((iou >= 0.75).mean())}


model = localizer(lesson.width, S, rng=lesson.seed)
batches = BoxBatches(train, to_targets, lesson.batch_size, np.random.default_rng(lesson.seed), augment)
epochs = lesson.epochs(len(train))
optimizer = Adam(model.parameters(), lesson.lr)
history = fit(model, batches, loss, optimizer, epochs, schedule=CosineSchedule(optimizer, epochs * len(batches)),
              evaluate=scores, evaluate_every=max(1, epochs // 6), checkpoint=lesson.out / "checkpoints",
              resume=lesson.resume)
lesson.figure(plotting.learning_curves(
    history, scores={"mean_iou": "mean IoU", "share_above_075": "IoU ≥ 0.75"},
    title=f"The mean box scores {baselines['mean box'].mean():.2f}"), "training")

# %% [markdown]
# The loss began near 0.4: for errors of the order of 1, e²/2 and |e| - 1/2 are some tenths on average. Most is won in
# the first third of the epochs; then the loss on training images falls on, and the scores hardly rise.
#
# ## 9. The result
# Held-out images from the worst to the best: the first row are the four worst of all, the second is what usually
# happens, the third are the four best.

# %%
boxes = to_boxes(predict(model, test.images))                                      # (n, 4)
iou = iou_of(boxes, test)
results = scores(model)
train_iou = iou_of(to_boxes(predict(model, train.images[:200])), train[:200])
order = np.argsort(iou)
n, few = len(test), min(4, len(test))
middle = (n - few) // 2
chosen = np.concatenate([order[:few], order[middle:middle + few], order[n - few:]]) if n >= 12 else order
lesson.figure(boxes_on_images(
    test.images[chosen], test.boxes[chosen, None], boxes[chosen, None], notes=[f"IoU {iou[i]:.2f}" for i in chosen],
    columns=few, title=f"Held-out images, from the worst to the best: mean IoU {iou.mean():.2f}"), "predictions",
    alt="Held-out images with true and predicted box: IoU " + ", ".join(f"{iou[i]:.2f}" for i in chosen))

# %% [markdown]
# A mean hides much. Here is, for each IoU, the share of held-out images that reach it.

# %%
figure = canvas.blank(560, 330)
canvas.write(figure, 12, 20, "Share of the held-out images that reach an IoU", canvas.TITLE, 536, weight="bold")
axes = canvas.place(figure, 44, 44, 330, 240)
canvas.quiet(axes)
axes.set(xlim=(0, 1), ylim=(0, 1.02), xticks=np.linspace(0, 1, 6), yticks=np.linspace(0, 1, 6))
answers_of = {"network": iou, **baselines}
for k, (name, values) in enumerate(answers_of.items()):
    axes.step(np.concatenate([[0], np.sort(values), [1]]),
              np.concatenate([[1], 1 - np.arange(n) / n, [0]]), color=canvas.LINE_COLORS[k], linewidth=1.8)
    canvas.write(figure, 390, 80 + 40 * k, f"{name}: mean {values.mean():.2f},", canvas.TEXT, 160,
                 color=canvas.LINE_COLORS[k])
    canvas.write(figure, 390, 96 + 40 * k, f"{np.mean(values >= 0.75):.0%} reach 0.75", canvas.TEXT, 160,
                 color=canvas.LINE_COLORS[k])
canvas.write(figure, 209, 314, "IoU with the true box", canvas.TEXT, 330, ha="center")
lesson.figure(figure, "reached", alt="Share of the images that reach an IoU: " + "; ".join(
    f"{name} 0.5: {np.mean(values >= 0.5):.0%}, 0.75: {np.mean(values >= 0.75):.0%}, 0.9: {np.mean(values >= 0.9):.0%}"
    for name, values in answers_of.items()))

# %% [markdown]
# On the rendered pets nearly every answer reaches 0.5, but so does the mean box. The difference shows where it is
# strict: 0.75 is reached by four of five answers of the network, and by one of three mean boxes. What goes wrong, in
# the first row above: dark pets on dark ground, and boxes that end in the middle of the image, which are rare.
#
# With `--data` and twenty real images there is far too little to learn from: the network knows those twenty by heart,
# and on others it is hardly better than the mean box. Both are printed below.

# %%
lesson.finish(test=results, mean_iou_on_training_pictures=float(train_iou.mean()),
              mean_iou_of_mean_box=float(baselines["mean box"].mean()),
              mean_iou_of_whole_picture=float(baselines["whole image"].mean()), first_loss=first_loss,
              last_loss=history[-1]["loss"], epochs=len(history), training_pictures=len(train),
              test_pictures=len(test), parameters=sum(p.data.size for p in model.parameters()),
              training_seconds=sum(row["seconds"] for row in history))
if lesson.as_intended and not history.stopped:
    assert results["mean_iou"] >= 0.6                    # the mean box has that, too; so:
    assert results["mean_iou"] > baselines["mean box"].mean() + 0.08

# %% [markdown]
# **Try:**
# 1. A network that answers with edges: `to_targets` returns `(boxes - mean_box) / train.boxes.std(axis=0)`, `to_boxes`
#    undoes it (and sorts the edges, if x0 > x1). The mean IoU changes by a hundredth or less: which one has it easier
#    with pets that touch the edge of the image?
# 2. `crop=(1, 1)` in section 6: what becomes of the last loss, and of the mean IoU on training and held-out images?
# 3. Break it: in `BoxBatches`, yield the boxes of the images as they were before the augmentation
#    (`crop=(1, 1)`, flips only). How large is the damage, and which of the four numbers suffer?
