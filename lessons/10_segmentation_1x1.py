# %% [markdown]
# # 10 · Segmentation (1): a class from a pixel's color
# Slides 15–16. *How is a segmentation network trained, and what can it learn from a single pixel's color?*
#
# **New here:** the first network whose output is an image, and its training, step by step: lessons 11 to 18 train in
# this way. The network is the smallest of its kind. Its convolutions are 1 × 1, so it gets each pixel by itself.
#
# **Needs:** start loss, Adam and one batch learned as a check (lesson 2), convolution and batch norm (lesson 4), the
# rendered pets, their trimaps and `fit` (lesson 5), K-means and mean IoU (lesson 8), cross entropy at every pixel
# (lesson 9).
#
# **Time:** about 45 minutes to read, 20 seconds to run on two cores.

# %%
import numpy as np

from minidl import Adam, CosineSchedule, CrossEntropyLoss, Softmax, pixelwise, plotting
from minidl.batches import Batches, as_input
from minidl.course.figures.color_tables import color_tables
from minidl.course.lesson import Lesson
from minidl.datasets.augment import Augment
from minidl.datasets.pets import CLASSES
from minidl.metrics import mean_iou, pixel_accuracy
from minidl.step import predict, predict_classes
from minidl.tasks.segmentation.experiment import SHOWN, Segmentation
from minidl.tasks.segmentation.kmeans import assign, kmeans
from minidl.tasks.segmentation.ladder import results_table
from minidl.tasks.segmentation.receptive_field import receptive_field

lesson = Lesson("10_segmentation_1x1")

# %% [markdown]
# ## 1. The data
# In: an image, (3, H, W). Out: a class for each of its pixels, object (the pet), background, or the border between
# them. The images are the rendered pets of lesson 5. Section 9 says which of this lesson's results depend on that.
#
# Some images are to train on, others are held out. We will look at scores on the held-out images during training, and
# we choose nothing by them: the learning rate and the number of epochs are the same for all models of lessons 10 to
# 17. (A fairer comparison would choose both for each model, on validation images split off the training images, as in
# lesson 2.)

# %%
train, test = lesson.pets("train"), lesson.pets("test")                # what cannot be read is left out and named
shares = np.bincount(train.trimaps.ravel(), minlength=3) / train.trimaps.size          # of the pixels, for each class
print(f"{len(train)} images to train on, {len(test)} held out: images {train.images.shape} {train.images.dtype}, "
      f"trimaps {train.trimaps.shape} {train.trimaps.dtype}")
print("of the training pixels are " + ", ".join(f"{share:.1%} {name}" for share, name in zip(shares, CLASSES)))

# %% [markdown]
# Minibatches and augmentation as in lesson 5: half of the images are flipped, at random, each together with its trimap.
# (If there are so few images that each is shown more than 20 times, they are also cropped, shifted and tinted.)

# %%
epochs = lesson.epochs(len(train))
augment = Augment() if epochs > 20 else Augment(flip=0.5, crop=(1, 1), shift=0, color=0)


def new_batches():
    """Return the training batches; the same seed gives the same images in the same order."""
    return Batches(train.images, train.trimaps, lesson.batch_size, rng=np.random.default_rng(lesson.seed),
                   augment=augment)


x, labels = next(iter(new_batches()))                                  # (n, 3, H, W), (n, H, W)
print(f"{epochs} epochs of {len(new_batches())} batches; x {x.shape} {x.dtype}, labels {labels.shape} {labels.dtype}")

# %% [markdown]
# ## 2. The model
# The block of slides 15–16: convolution with padding "same", batch norm, ReLU. Here the kernel is 1 × 1. A last 1 × 1
# convolution gives each pixel three scores, one per class.
#
# **Predict:** how many parameters does it have, for `width` w? (Batch norm learns two numbers per channel.)

# %%
model = pixelwise((1,), lesson.width, rng=lesson.seed)
shape = (1, 3, lesson.size, lesson.size)
model.summary(shape)
w = lesson.width
assert sum(p.data.size for p in model.parameters()) == (3 * w + w) + 2 * w + (w * 3 + 3)
lesson.figure(plotting.diagram(model, shape, title="No pooling: every array is as large as the image"), "model")

# %% [markdown]
# A 1 × 1 convolution multiplies the numbers of *one* pixel by a matrix. So the whole network can be written down for
# one color, in five lines. (Batch norm as in eval mode: mean and variance are fixed numbers.)


# %%
def scores_of(color):
    """(3,) -> (3,): red, green and blue of a pixel in, its three scores out."""
    conv, norm, _, last = model.layers
    hidden = conv.weight.data[:, :, 0, 0] @ color + conv.bias.data                                       # (w,)
    hidden = (hidden - norm.running_mean) / np.sqrt(norm.running_var + norm.eps)
    hidden = norm.weight.data * hidden + norm.bias.data
    return last.weight.data[:, :, 0, 0] @ np.maximum(hidden, 0) + last.bias.data                         # (3,)


image = as_input(test.images[:1])                                      # (1, 3, H, W) floats in [0, 1]
scores = predict(model, image)                                         # (1, 3, H, W)
row, column = lesson.size // 2, lesson.size // 3
assert np.allclose(scores_of(image[0, :, row, column]), scores[0, :, row, column], atol=1e-4)
print(f"color {image[0, :, row, column].round(2)}: scores {scores[0, :, row, column].round(2)}")

# %% [markdown]
# ## 3. A function of the color, and of nothing else
# **Predict:** shuffle the pixels of an image. What becomes of the scores? The answer needs no training, so the model
# keeps its random first weights for now.

# %%
order = np.random.default_rng(lesson.seed).permutation(lesson.size**2)


def shuffled(maps):
    """(1, C, H, W) -> the same, with its pixels in another order, the same order in all channels."""
    return maps.reshape(*maps.shape[:2], -1)[..., order].reshape(maps.shape)


scores_of_shuffled = predict(model, shuffled(image))                   # (1, 3, H, W)
assert np.allclose(scores_of_shuffled, shuffled(scores), atol=1e-4)
assert receptive_field(model, shape) == (1, 1)
lesson.figure(plotting.image_rows({"pixels": [image[0], shuffled(image)[0]],
                                   "scores": [scores[0, 0], scores_of_shuffled[0, 0]]}, ["an image", "shuffled"],
                                  "Each pixel keeps its score for object", cell=192), "shuffled")

# %% [markdown]
# The pixels keep their scores, wherever they are moved to. `receptive_field` measures the same from the other end. It
# puts random numbers into dy at one pixel of the output, goes `backward`, and finds which pixels of the image get a
# gradient. It is one pixel: the *receptive field* of this model is 1 × 1.
#
# ## 4. Which losses to expect
# The loss is cross entropy at each pixel, averaged over all pixels (lesson 9). Four numbers, before any training, will
# tell us later how much was learned.
#
# **1. Knows nothing.** If all scores are 0, each class gets the probability 1/3, and the loss is ln 3 = 1.0986. Our
# untrained network has random last weights, so its scores are not 0 (lesson 2).
#
# **Predict:** is its loss above or below ln 3, or does that depend on the seed?

# %%
loss = CrossEntropyLoss()
x, labels = as_input(train.images[:64]), train.trimaps[:64].astype(np.int64)
untrained = [pixelwise((1,), w, rng=lesson.seed + k) for k in range(20)]
outputs = [net.forward(x) for net in untrained]
start = np.array([loss.forward(z, labels) for z in outputs])
print(f"untrained, 20 seeds: {start.min():.3f} to {start.max():.3f}, mean {start.mean():.3f}; ln 3 = {np.log(3):.4f}, "
      f"{(start < np.log(3)).sum()} below it")
for z in outputs:
    assert (loss.forward(z, labels) + loss.forward(-z, labels)) / 2 > np.log(3) - 1e-6
untrained[0].layers[-1].weight.data *= 0.01
small = loss.forward(untrained[0].forward(x), labels)
print(f"the first seed, its last weights times 0.01: {small:.4f}")
assert abs(small - np.log(3)) < 0.02

# %% [markdown]
# It depends on the seed: one of 20 is below ln 3, the largest loss is 1.96, the mean 1.40. Scores z that happen to
# favor the background, which most pixels are, have a small loss. But -z is as likely as z, and the mean of their two
# losses is never below ln 3 (asserted above). So over many seeds the mean is above it. With last weights near 0 the
# loss is ln 3, as in lesson 2. For the check of an untrained network that is enough: a loss of 1 or 2 is right, one of
# 10 is not.
#
# **2. Knows the shares.** The model answers with the frequency of each class, at every pixel.
#
# **Predict:** what is its loss? (The loss of a pixel of class k is -ln of the share of k. How many such pixels are
# there?)


# %%
def entropy(shares):
    """Return the loss of a model that gives each class its share as probability, at every pixel."""
    return float(-np.sum(shares * np.log(np.maximum(shares, 1e-9))))


in_batch = np.bincount(labels.ravel(), minlength=3) / labels.size      # checked on some images, by the loss itself
constant = np.log(np.maximum(in_batch, 1e-9))[:, None, None] * np.ones(labels[:, None].shape)       # (n, 3, H, W)
assert np.isclose(loss.forward(constant, labels), entropy(in_batch))
print(f"knows only the shares, in all training images: {entropy(shares):.4f}")

# %% [markdown]
# This number is the *entropy* of the shares. What a model gets below it, it has learned from the images.
#
# **3. Knows the color.** Sort all colors into 16 steps of red, green and blue: 4096 in all. For each, count how often
# its training pixels are object, background and border. This table of shares is a model, too, made without any
# gradient. On the training pixels no other function of the 4096 colors has a lower loss: for the pixels of one color,
# the best answer is their own shares, as in number 2 for all pixels.
#
# **Predict:** how far below number 2 does it get?

# %%
STEPS = 16


def color_index(images):
    """(n, 3, H, W) uint8 -> (n, H, W): the number of each pixel's color, 0 to 4095."""
    red, green, blue = images.transpose(1, 0, 2, 3).astype(np.int64) * STEPS // 256
    return (blue * STEPS + green) * STEPS + red


def count(pets):
    """Return how many pixels of each color are of each class, (4096, 3)."""
    pairs = color_index(pets.images) * 3 + pets.trimaps
    return np.bincount(pairs.ravel(), minlength=3 * STEPS**3).reshape(-1, 3)


def table_loss(table, counts):
    """Return the loss of a table of probabilities (4096, 3) on pixels, which were counted: (4096, 3)."""
    return float(-(counts * np.log(table)).sum() / counts.sum())


def fitted(counts):
    """Return the shares of the classes for each color, (4096, 3); one pixel more, of `shares`, keeps them above 0."""
    return (counts + shares) / (counts.sum(axis=-1, keepdims=True) + 1)


counts, held_counts = count(train[:1000]), count(test[:200])           # a large set would not fit into memory
counted = fitted(counts)                                               # (4096, 3)
for name, table in {"the shares": np.tile(shares, (STEPS**3, 1)), "the color": counted}.items():
    print(f"knows {name}: {table_loss(table, counts):.4f} on training pixels, "
          f"{table_loss(table, held_counts):.4f} on held-out pixels")

# %% [markdown]
# Color lowers the loss by 0.078 on training pixels, and by 0.061 on held-out pixels: the table, too, fits its training
# pixels best (lesson 3). (**4.** A model that is right and sure at every pixel would have the loss 0.)
#
# ## 5. Training, in the open
# The step of all lessons: forward, loss, backward, optimizer. The optimizer is Adam, its learning rate falls along a
# cosine. Only the shapes are new: scores and their gradient are (n, 3, H, W).
#
# First the check of lesson 2: show one batch again and again. There the loss went nearly to 0.
#
# **Predict:** will it here?

# %%
x, labels = as_input(train.images[:8]), train.trimaps[:8].astype(np.int64)
best = table_loss(fitted(count(train[:8])), count(train[:8]))
model = pixelwise((1,), w, rng=lesson.seed)
optimizer = Adam(model.parameters(), lesson.lr)
one_batch = []
for _ in range(200):
    optimizer.zero_grad()                                              # backward *adds* to the gradients
    one_batch.append(loss.forward(model.forward(x), labels))
    model.backward_parameters(loss.backward())                         # the gradient of x itself is not needed
    optimizer.step()
print("one batch, steps 1, 10, 50, 100, 200: " + " ".join(f"{one_batch[k - 1]:.3f}" for k in (1, 10, 50, 100, 200))
      + f"; a table made for these images {best:.3f}")
assert one_batch[-1] < one_batch[0]

# %% [markdown]
# It falls, so forward, backward and optimizer work together. But it stays far from 0, and that is not a bug: even the
# table that was made for these eight images has a loss of 0.641. They have pixels of the same color and of different
# classes, and a function of the color must give all of them the same answer.
#
# Now one epoch, with a new model.

# %%
model = pixelwise((1,), w, rng=lesson.seed)
optimizer = Adam(model.parameters(), lesson.lr)
batches = new_batches()
schedule = CosineSchedule(optimizer, len(batches))
by_hand = []
for x, labels in batches:
    optimizer.zero_grad()
    by_hand.append(loss.forward(model.forward(x), labels))
    model.backward_parameters(loss.backward())
    optimizer.step()
    schedule.step()
print(f"one epoch by hand: mean loss {np.mean(by_hand):.4f}")

# %% [markdown]
# ## 6. The same from now on, in two lines
# All of this is in `Segmentation` (`minidl/tasks/segmentation/experiment.py`). It reads the data and makes the batches.
# Its `fit` is the loop above, with progress, scores on held-out images, and checkpoints. On several cores it cuts each
# batch into parts (lesson 21) and adds up their gradients: the same sum, in another order.
#
# We check that: the batches must be the same, and the epoch's mean loss must be the same to rounding.

# %%
task = Segmentation(lesson)
assert task.epochs == epochs and np.array_equal(task.train.images, train.images)
for (x, labels), (its_x, its_labels) in zip(new_batches(), task.new_batches(lesson.seed)):
    assert np.array_equal(x, its_x) and np.array_equal(labels, its_labels)
its_history = task.fit(pixelwise((1,), w, rng=lesson.seed), "twin", epochs=1)
if not its_history.stopped:
    difference = abs(its_history[0]["loss"] - np.mean(by_hand))
    assert difference < 1e-4
    print(f"the same batches, and the same mean loss, to {difference:.0e}")

# %% [markdown]
# Now all epochs. **Predict:** between which of section 4's numbers will the loss end?

# %%
model = pixelwise((1,), w, rng=lesson.seed)
history = task.fit(model)
losses = [epoch["loss"] for epoch in history]
levels = {"knows only the shares": [entropy(shares)] * len(losses),
          "table of 4096 colors": [table_loss(counted, counts)] * len(losses)}
lesson.figure(plotting.line_chart({"network": losses, **levels}, f"Training loss: {losses[0]:.3f} to {losses[-1]:.3f}",
                                  "epoch", dashed=levels), "training")

# %% [markdown]
# In the first epoch the mean loss is what the shares give. After six epochs the network has gone less than half of the
# way to the table, 0.034 of 0.078. It has 147 parameters, the table 4096 × 3 shares.
#
# ## 7. The result
# **Predict:** which class does the network give to most pixels?

# %%
result = task.result("1 × 1", model, history)                          # scores; saved for the lessons to come
predicted = predict_classes(model, task.held.images)                   # (n, H, W)
called = np.bincount(predicted.ravel(), minlength=3) / predicted.size
truth = task.held.trimaps                                              # (n, H, W)
all_background = float((truth == 1).mean())
print("called " + ", ".join(f"{share:.2%} {name}" for share, name in zip(called, CLASSES)))
print(f"{result.scores['pixel_accuracy']:.2%} of the pixels right, all background: {all_background:.2%}")
print(results_table(task.results_up_to(result)))

# %% [markdown]
# It calls 99.98 % of the pixels background. The largest probability wins, and background has it for nearly every
# color. So the class maps are solid background, and mean IoU is that of "all background": a third of its pixel
# accuracy.
#
# Yet the probabilities differ from pixel to pixel. **Predict:** where will that of object be large?

# %%
probability = Softmax().forward(predict(model, task.held.images))      # (n, 3, H, W)
for k in (0, 2):
    inside, outside = (probability[:, k][there].mean() for there in (truth == k, truth != k))
    print(f"mean probability of {CLASSES[k]}: {inside:.3f} at its own pixels, {outside:.3f} at the others")
lesson.figure(plotting.image_rows({
    "image": test.images[:SHOWN], "truth": test.trimaps[:SHOWN], "object": probability[:SHOWN, 0],
    "border": probability[:SHOWN, 2]}, title="Probabilities of object and border: dark 0, bright 0.5",
    limits={"object": (0, 0.5), "border": (0, 0.5)}), "probabilities")

# %% [markdown]
# Each thing has the probability of its color. In the second and the third image the pet is brighter than most of what
# is around it. In the first image patches of the wall are as bright as the pet, in the fifth the wall is, and in the
# last everything is bright. In numbers: object has the mean probability 0.316 at its own pixels, and 0.277 elsewhere.
#
# The border's maps are nearly flat. In some, as in the third, an outline is a little brighter: at an edge two colors
# mix. But edges inside the pet look the same, and the mean probability is 0.148 at the border and 0.134 elsewhere.
#
# ## 8. Three tables of colors
# A function of the color can be written down as a table. Show the network an image of all 4096 colors: what it answers
# there is all that it will ever answer. So we have three tables of probabilities, (4096, 3) each: *learned* by the
# network, *counted* in section 4, and that of K-means. K-means (lesson 8) sorts the colors into 64 clusters, and each
# color gets the shares of its cluster.
#
# **Predict:** which of them calls the most colors object?

# %%
middles = ((np.arange(STEPS) + 0.5) / STEPS).astype(np.float32)        # the middle of each step
blue, green, red = np.meshgrid(middles, middles, middles, indexing="ij")
palette = np.stack([red, green, blue])                                 # (3, 16 of blue, 16 of green, 16 of red)
learned = Softmax().forward(predict(model, palette.reshape(1, 3, STEPS, -1)))[0].reshape(3, -1).T     # (4096, 3)

points = as_input(train.images[:1000, :, ::8, ::8]).transpose(0, 2, 3, 1).reshape(-1, 3)              # (n, 3)
centers = kmeans(points, min(64, len(np.unique(points, axis=0))), lesson.seed, iterations=50, tolerance=1e-4).centers
cluster = assign(palette.reshape(3, -1).T, centers)                    # (4096,): the cluster of each color
in_cluster = np.stack([np.bincount(cluster, counts[:, k], len(centers)) for k in range(3)], axis=1)   # (64, 3)
tables = {"shares only": np.tile(shares, (STEPS**3, 1)), "K-means": fitted(in_cluster)[cluster], "learned": learned,
          "counted": counted}
pixels = counts.sum(axis=1)                                            # (4096,)


def correlation(a, b):
    """Return the correlation of two tables' probabilities of object, where each color counts as often as it occurs."""
    spread = np.cov(a[:, 0], b[:, 0], fweights=pixels)
    return float(spread[0, 1] / np.sqrt(spread[0, 0] * spread[1, 1] + 1e-12))


def judge(table):
    """Return the loss on training and on held-out pixels, the share of these that is right, mean IoU, colors called."""
    best = table.argmax(axis=1)                                        # (4096,): the most probable class
    matrix = np.stack([held_counts[best == k].sum(axis=0) for k in range(3)], axis=1)      # (true class, called so)
    return {"loss, training": table_loss(table, counts), "held-out": table_loss(table, held_counts),
            "right": pixel_accuracy(matrix), "mean IoU": mean_iou(matrix),
            "called object": int(((best == 0) & (pixels > 0)).sum()), "corr.": correlation(table, counted)}


judged = {name: judge(table) for name, table in tables.items()}
print(f"{'':12}" + "".join(f"{head:>15}" for head in judged["learned"]))
for name, row in judged.items():
    print(f"{name:12}" + "".join(f"{value:15.4g}" for value in row.values()))
print(f"{(pixels > 0).sum()} colors occur; correlation of learned and K-means: "
      f"{correlation(learned, tables['K-means']):.2f}")

# %%
drawn = {f"object, {table}": tables[table][:, 0] for table in ("K-means", "learned", "counted")}
drawn["object, counted"] = np.where(pixels >= 100, counted[:, 0], np.nan)                  # the others are too rare
lesson.figure(color_tables(drawn, "Probability of object for each color: dark blue 0, yellow 0.7", (0, 0.7)),
              "color_tables")

# %% [markdown]
# In each square red grows to the right and green upward. In all three tables the colors of fur, from brown to cream,
# are a brighter band on a dark ground. K-means has one value for each cluster, also for colors that never occur. The
# network's values change smoothly. The counted table is white where fewer than 100 training pixels have the color.
#
# In numbers: weighted by how often a color occurs, the network's probabilities of object have a correlation of 0.70
# with the counted ones and of 0.72 with those of K-means; K-means and counted have 0.77. They agree on what is likely a
# pet. They do not agree on what to *call* object: 143 colors by K-means, 123 by counting, 3 by the network, whose
# probability of object hardly ever is the largest one. Of the held-out pixels, all get 60 % right. Mean IoU, to which
# object counts as much as background, goes from 0.200 (network) over 0.224 (K-means) to 0.240 (counted). (Lesson 8
# found 0.214 for K-means, with clusters of other pixels, and each pixel's own color instead of one of 4096.)
#
# So counting in 64 clusters, without a gradient, does somewhat better here than our small network. (Exercise 3 has a
# larger one.) What a network can do and a table cannot is to take in the pixels around: a table of 5 × 5 colors would
# need 4096²⁵ rows. That is lesson 11.
#
# ## 9. Would a better model help? And better images?
# Not a model that gets one pixel only. For each color it has one answer, however it is trained. The best answers for
# the held-out images are those that cheat: for each color the class that most *held-out* pixels of this color are. No
# function of the 4096 colors gets more of these pixels right.
#
# **Predict:** how many more than "all background" is that?

# %%
bound = float(held_counts.max(axis=1).sum() / held_counts.sum())
print(f"right: all background {all_background:.1%}, learned {judged['learned']['right']:.1%}, counted "
      f"{judged['counted']['right']:.1%}; no table of 4096 colors more than {bound:.1%}")
assert max(all_background, *(row["right"] for row in judged.values())) <= bound + 1e-9

# %% [markdown]
# At most 1.7 % of all pixels. But these images are rendered, and the renderer was tuned until a color table does
# badly (a mean IoU of at most 0.30). So the result says nothing about photographs. Here are the same numbers for
# photographs, measured with this lesson (`--data`) on 665 photographs of the Oxford-IIIT Pet set: 511 to train on, 154
# held out, most of them of three breeds.
#
# **Predict:** will colors tell more there, or less?

# %%
photographs = {"shares only": (0.555, 0.185), "K-means": (0.574, 0.254), "learned": (0.568, 0.241),
               "counted": (0.581, 0.266)}
print("pixels right, mean IoU:    rendered       photographs")
for name, (right, score) in photographs.items():
    print(f"{name:20} {judged[name]['right']:9.1%} {judged[name]['mean IoU']:6.3f} {right:9.1%} {score:6.3f}")
print(f"{'no table more than':20} {bound:9.1%} {'':6} {0.605:9.1%}")

# %% [markdown]
# Somewhat more. Against "all background", the counted table gains 2.6 % of the photographs' pixels, and 0.2 % of the
# rendered ones. Its mean IoU is 0.266 instead of 0.240. We do not know how much of that is due to the three breeds. But
# there is a limit for photographs, too: no table of 4096 colors gains more than 5.0 % of the pixels. And the network's
# IoU of the border was 0.000 there as well.

# %% [markdown]
# ## Recap
# - A segmentation network is trained like a classifier: forward, cross entropy at every pixel, backward, step. `fit`
#   does the same as the loop written out, to rounding.
# - Before training, the loss is about ln 3; with small last weights it is ln 3. The entropy of the shares and the loss
#   of a color table say what it is worth to know the shares, or the color.
# - A single pixel's color tells little about its class. The network and all tables get 60 % of the rendered pixels
#   right, as "all background" does; of photographs' pixels 57 to 58 %, where "all background" gets 55.5 %.
#
# **Write it yourself:** `confusion_matrix` and `iou_from_confusion`. `python -m lessons.exercises 10` puts stubs into
# `my/10_segmentation_1x1.py` and checks what you write.

# %%
lesson.finish(test=result.scores, pixel_accuracy_all_background=all_background, pixel_accuracy_bound=bound,
              mean_iou_of_tables={name: row["mean IoU"] for name, row in judged.items()},
              loss_of_color_table=judged["counted"]["loss, training"], loss_of_shares=entropy(shares),
              first_loss=start.mean(), last_loss=losses[-1], epochs=len(history), training_images=len(train),
              test_images=len(test), parameters=result.parameters, receptive_field=result.receptive_field,
              training_seconds=result.seconds)
if lesson.as_intended and not history.stopped:
    assert judged["counted"]["loss, training"] < losses[-1] < entropy(shares) and bound < 0.65
    assert 0.19 < result.scores["mean_iou"] < 0.3 and result.scores["pixel_accuracy"] <= bound + 0.01

# %% [markdown]
# **Try:**
# 1. ★ Lesson 8's "equal say": after section 7, `guess = (probability / shares[:, None, None]).argmax(axis=1)`, scored
#    by `scores(confusion_matrix(truth, guess, 3), CLASSES)` (both in `minidl.metrics`). You should see a mean IoU of
#    0.225, with 37.7 % of the pixels right. Which class gains, and which loses?
# 2. ★ `STEPS = 64` in section 4: a table of 262,144 colors. You should see its loss fall to 0.7957 on training pixels
#    and rise to 0.8872 on held-out pixels. Which lesson explains that? Why does the bound of section 9 rise to 67.7 %,
#    and why is that not good news? (The last assertion about the bound fails.)
# 3. ★★ `pixelwise((1, 1, 1), 64, rng=lesson.seed)` before the last `task.fit`: three blocks, wide. The training loss
#    should end between 0.85 and 0.87, the mean IoU between 0.24 and 0.28. What is its correlation with the counted
#    table now? What does that say about the limit? (It trains for a minute or two.)
# 4. ★★ `task.loss = CrossEntropyLoss(weight=(1 / shares).astype(np.float32))` before the last `task.fit`: each class
#    counts alike. Mean IoU should lie between 0.22 and 0.25, with 35 to 43 % of the pixels right. Compare exercise 1.
# 5. ★★★ Give the network the pixel's place, too: `pixelwise((1,), w, in_channels=5, rng=lesson.seed)`, and in the loop
#    of section 5 row and column, from 0 to 1, as two more channels of x. Can it get below the loss of the color table?
