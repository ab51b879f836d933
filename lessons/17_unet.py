# %% [markdown]
# # 17 · U-Net: let the details skip the bottleneck
# Slides 34–36. *An encoder–decoder squeezes an image through a few coarse maps. How do fine edges get past them?*
#
# **New here:** the skip connection. At each resolution the encoder's maps, taken just before the pooling, are laid
# beside the decoder's upsampled maps. The decoder brings *what* is there, the skip brings *where* exactly.
#
# **Needs:** convolution, batch norm, pooling (lesson 4), segmentation (lesson 10), the encoder–decoder (lessons 15,
# 16).

# %%
import numpy as np

from minidl import Adam, CosineSchedule, plotting, unet
from minidl.batches import as_input
from minidl.checkpoint import save_weights
from minidl.course.lesson import Lesson
from minidl.datasets.pets import CLASSES
from minidl.step import train_step
from minidl.tasks.segmentation.experiment import Segmentation, segmentation_scores
from minidl.training import fit

lesson = Lesson("17_unet")
rng = np.random.default_rng(lesson.seed)

# %% [markdown]
# ## 1. Input and output
# In: an image, (3, H, W), numbers in [0, 1]. Out: for each pixel one of three classes, object (the pet), background,
# or the border between them, a band of a few pixels that even people do not draw alike.

# %%
task = Segmentation(lesson)                # images, batches, loss and budget: the same for all models of lessons 10-17
train, test = task.train, task.test
shares = [float((train.trimaps == k).mean()) for k in range(3)]
print("of the pixels are " + ", ".join(f"{share:.0%} {name}" for share, name in zip(shares, CLASSES)))

# %% [markdown]
# A network that sees the same image again and again learns it by heart. If each is shown a few times, it is enough
# to flip some of them; if hundreds of times, because there are few, they had better look different each time. Whatever
# moves the image's pixels must move the trimap's with them.

# %%
shown = train[:8]
varied = [task.augment(image, trimap, rng) for image, trimap in zip(shown.images, shown.trimaps)]
overlaid = [plotting.overlay(image, trimap).transpose(2, 0, 1) for image, trimap in varied]
strip = plotting.image_strip(np.concatenate([as_input(shown.images), np.stack(overlaid)]),
                             title="Training images; below, as one epoch shows them, under their trimaps")
lesson.figure(strip, "data")
print(f"{task.epochs} epochs, {task.augment}")

# %% [markdown]
# ## 2. The model
# **Predict:** the deepest maps are 32 times smaller than the image, on each side. How many numbers are left there,
# of how many that came in?

# %%
model = unet(lesson.width, rng=rng)
model.summary((1, 3, lesson.size, lesson.size))

# %% [markdown]
# Each `Skip` holds the layers below its resolution, and *concatenates* their result with its own input, channel by
# channel. Forward, two arrays are laid side by side; backward, dy is cut where they were joined, and the two
# gradients that reach the encoder's map, through the deep layers and through the skip, are added.

# %%
deepest = (8 * lesson.width, lesson.size // 32, lesson.size // 32)
print(f"bottleneck: {deepest}, {np.prod(deepest):,} numbers of {3 * lesson.size ** 2:,}")

# %% [markdown]
# ## 3. The loss
# Cross entropy at each pixel, averaged over all pixels (slide 14), near ln 3 = 1.0986 or somewhat above it before
# training.

# %%
batches, loss = task.new_batches(lesson.seed), task.loss
x, labels = next(iter(batches))            # (n, 3, H, W) float32, (n, H, W) int64
first_loss = loss(model(x), labels)
print(f"loss before training: {first_loss:.3f}")

# %% [markdown]
# ## 4. Training
# One step is forward, loss, backward, update; `train_step` in `minidl/step.py` is six lines. Here are ten of them
# on the same batch. **Predict:** what must happen to the loss if every backward is right?

# %%
optimizer = Adam(model.parameters(), lesson.lr)
first_steps = [train_step(model, loss, optimizer, x, labels) for _ in range(10)]
print("ten steps on one batch: " + " ".join(f"{value:.2f}" for value in first_steps))
assert first_steps[-1] < first_steps[0], "the loss of a batch that is shown again and again must fall"

# %% [markdown]
# Now the real thing: every image once an epoch, varied each time, the learning rate falling along a cosine. The
# held-out images are only looked at, never learned from.

# %%
model = unet(lesson.width, rng=lesson.seed)
batches = task.new_batches(lesson.seed)    # from the beginning again, as all these models get them
optimizer = Adam(model.parameters(), lesson.lr)
schedule = CosineSchedule(optimizer, task.epochs * len(batches))
history = fit(model, batches, loss, optimizer, task.epochs, schedule=schedule,
              evaluate=task.scores, evaluate_every=max(1, task.epochs // 3),
              checkpoint=lesson.out / "checkpoints", resume=lesson.resume)
curves = plotting.learning_curves(history, scores={"mean_iou": "mean IoU", "iou_border": "border IoU"},
                                  title=lesson.headline("Even the border, which the models before hardly found, is "
                                                        "learned", "Training the U-Net"))
lesson.figure(curves, "training")

# %% [markdown]
# ## 5. The result
# **Predict:** what will be better than the encoder–decoder's, the object or the border? And is it better on the
# images that it has learned from?
#
# "All background" is the score to beat. The result is also saved as the last rung of a ladder: lesson 18 draws all of
# it. And the weights are saved: `python -m minidl.predict --weights out/17_unet/weights.npz cat.jpg` segments your own
# cat.

# %%
result = task.result("U-Net", model, history)
scores, predicted = result.scores, result.predictions                             # predicted: (8, H, W)
train_scores = segmentation_scores(model, train.images[:200], train.trimaps[:200], CLASSES)
all_background = float((test.trimaps == 1).mean())
notes = {"U-Net": [f"{(labels == guess).mean():.0%} right" for labels, guess in zip(test.trimaps, predicted)]}
lesson.figure(plotting.prediction_grid(test.images[:8], test.trimaps[:8], {"U-Net": predicted}, notes=notes, columns=2,
                                       title=lesson.headline("U-Net: most pets have their ears, legs and tails back",
                                                             "The U-Net on held-out images")), "predictions")
lesson.figure(plotting.class_bars({"training images": train_scores, "held-out images": scores},
                                  title=lesson.headline("Held-out images are nearly as good as those learned "
                                                        "from", "IoU of each class")), "classes")

# %% [markdown]
# All is better, the border by far the most: its IoU is more than twice the encoder–decoder's. What is still missing are
# thin parts on a ground of their own color. On the training images it is hardly better: they were not learned by
# heart.

# %%
save_weights(lesson.out / "weights.npz", model, (lesson.size, lesson.size))
lesson.finish(test=scores, train=train_scores, pixel_accuracy_all_background=all_background,
              first_loss=first_loss, last_loss=history[-1]["loss"], epochs=len(history),
              training_images=len(train), test_images=len(test),
              parameters=result.parameters, training_seconds=result.seconds, **task.pace(history))
if lesson.as_intended and not history.stopped:
    assert scores["mean_iou"] > 0.7 and scores["iou_border"] > 0.45

# %% [markdown]
# **Try:**
# 1. `unet` → `encoder_decoder` (the same without the skips). Which class loses most? Look at ears and tails.
# 2. `--width 8`, `--width 32`: what does a factor of two in channels buy, and what does it cost in seconds?
# 3. Set `task.augment = None` before the second `task.new_batches`. Compare the two bars a class in `classes.png`.
