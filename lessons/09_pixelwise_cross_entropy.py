# %% [markdown]
# # 09 · Cross entropy at every pixel
# Slides 12–14. *A classifier gives one answer per image. What are output, label and loss if every pixel gets one?*
#
# **New here:** only the shape. Segmentation is classification H·W times over: three scores for each pixel, a softmax
# over them, a cross entropy, and the mean of all. Its gradient is itself an image.
#
# **Needs:** softmax, one-hot, cross entropy and its gradient (lesson 1), convolution and padding (lesson 4), the pets
# and their trimaps (lesson 5).
#
# **Time:** about 30 minutes to read, 5 seconds to run on two cores.

# %%
import numpy as np

from minidl import Adam, CrossEntropyLoss, Softmax, pixelwise, plotting
from minidl.batches import Batches, as_input
from minidl.course.figures.pixelwise import descent_figure, subtraction_figure
from minidl.course.lesson import Lesson
from minidl.datasets.pets import CLASSES
from minidl.step import train_step

lesson = Lesson("09_pixelwise_cross_entropy")
softmax, loss = Softmax(), CrossEntropyLoss()

# %% [markdown]
# ## 1. Input and output
# An image of 2 × 2 pixels goes into a model, and 3 × 2 × 2 numbers come out: one *map* for each of the classes 0, 1, 2.
# A map has a score, or logit, for each pixel. *Argmax* over the three maps gives each pixel the class with the largest
# score.
#
# **Predict:** which labels do these scores give? (The slide prints only the labels; the scores are ours.)

# %%
scores = np.array([[[2.0, 0.1],
                    [0.3, 0.2]],           # class 0
                   [[0.5, 0.4],
                    [0.1, 1.5]],           # class 1
                   [[0.1, 3.0],
                    [2.2, 0.6]]])          # class 2
labels = scores.argmax(axis=0)             # (3, 2, 2) -> (2, 2)
print(labels)
assert labels.tolist() == [[0, 2], [2, 1]]

# %% [markdown]
# ## 2. The label of an image is an image
# For training, the ground truth gives the right class of each pixel. One-hot (lesson 1) turns it into probabilities, in
# the shape of the output: 1 in the map of the right class, 0 in the others.
#
# **Predict:** write the ground truth [[1, 0], [2, 0]] as three maps.


# %%
def one_hot(labels, classes=3):
    """(H, W) -> (classes, H, W): row k of the identity matrix for each pixel of class k."""
    return np.eye(classes)[labels].transpose(2, 0, 1)


truth = np.array([[1, 0], [2, 0]])
print(one_hot(truth).astype(int))
assert one_hot(truth).tolist() == [[[0, 1], [0, 1]], [[1, 0], [0, 0]], [[0, 0], [1, 0]]]
assert np.array_equal(one_hot(truth).argmax(axis=0), truth)            # argmax undoes one-hot
rows = [{f"scores of class {k}": scores[k] for k in range(3)} | {"argmax: predicted": labels},
        {f"one-hot, class {k}": one_hot(truth)[k] for k in range(3)} | {"ground truth": truth}]
lesson.figure(plotting.array_sheet(rows, "Above: the model's output. Below: the label in the same shape", "g",
                                   limits={name: (0, 4.2) for name in rows[0]}), "tensors")

# %% [markdown]
# ## 3. One pixel
# The pixel on slide 14 has the logits 0.07, −0.65, 0.81 for object, background and border. Softmax, as in lesson 1:
# p_k = exp(z_k) / Σ exp(z_j).
#
# **Predict:** exp(0.07) = 1.073, exp(−0.65) = 0.522, exp(0.81) = 2.248. Divide each by their sum.

# %%
z = np.array([[0.07, -0.65, 0.81]])                                    # (1, 3): one pixel, three classes
p = softmax(z)
print(f"softmax {p.round(3)}; the slide prints 0.27, 0.13, 0.60")
assert p.round(3).tolist() == [[0.279, 0.136, 0.585]]
assert np.allclose(p, np.exp(z) / np.exp(z).sum())

# %% [markdown]
# The slide's probabilities are not quite the rounded ones. Cross entropy with one-hot probabilities y is −Σ y_k ln p_k.
# One term of the sum is left: −ln of the probability of the right class. The slide's other example is p = (0.60, 0.13,
# 0.27) with the right class 0.
#
# **Predict:** what is −ln 0.60? (ln 0.5 is −0.693, and ln 1 is 0.)

# %%
p, y = np.array([[0.60, 0.13, 0.27]]), np.array([[1, 0, 0]])
by_hand = -(y * np.log(p)).sum()
by_library = loss(np.log(p), np.array([0]))                            # takes logits: softmax(ln p) = p
print(f"by hand {by_hand:.3f}, by the library {by_library:.3f}; the slide prints 0.5")
assert np.isclose(by_hand, by_library) and round(by_library, 3) == 0.511 and f"{by_library:.1f}" == "0.5"

# %% [markdown]
# ## 4. All pixels
# The total loss is the mean of the pixels' losses, 1/(H·W) ΣΣ. With the sum, a larger image would have a larger loss,
# and a learning rate that suits one size would be too large for another.
#
# **Predict:** take the scores of section 1 and the truth of section 2. Three of the four labels are wrong. Is the loss
# above or below ln 3 = 1.099, the loss of a model that gives each class 1/3?

# %%
total = 0.0
for row in range(2):
    for column in range(2):
        exp = np.exp(scores[:, row, column])                           # (3,)
        pixel = -np.log(exp[truth[row, column]] / exp.sum())
        print(f"pixel ({row}, {column}): truth {truth[row, column]}, predicted {labels[row, column]}, loss {pixel:.3f}")
        total += pixel / 4
assert np.isclose(loss(scores[None], truth[None]), total)              # shapes (N, 3, H, W) and (N, H, W)
print(f"mean {total:.3f}, against ln 3 = {np.log(3):.3f}")

# %% [markdown]
# The mean, 1.724, is above ln 3. The pixel with the score 3.0 for a wrong class alone has a loss of 3.022: being
# confident and wrong costs more than not knowing.
#
# ## 5. Why softmax and cross entropy are one layer
# Put the two formulas together: −ln p_y = ln Σ exp(z_k) − z_y. The first term is called *log-sum-exp*. The same number
# m can be taken from all logits, if it is added again outside: ln Σ exp(z_k) = m + ln Σ exp(z_k − m). With the largest
# logit as m, no exponent is above 0, so that exp cannot overflow, and the sum is at least 1, so that its logarithm is
# harmless. This is the *fused* form, and the library's.
#
# In two steps, in float32, exp(z) overflows above z = 88, and a probability below about 1e−45 becomes 0, whose
# logarithm is −inf. A common remedy, ln(p + 1e−7), cannot give a loss above 16.1.
#
# **Predict:** the logits are (z, 0), and class 1 is right. For large z the loss is z + ln(1 + exp(−z)), which is nearly
# z. Which of the ways below still work for z = 40, 100, 1000?


# %%
def fused_loss(z, labels):
    """Logits (N, K), right classes (N,) -> the mean of log-sum-exp(z) - z_y."""
    m = z.max(axis=1, keepdims=True)                                   # (N, 1): the largest logit
    log_sum_exp = m + np.log(np.exp(z - m).sum(axis=1, keepdims=True))
    return float((log_sum_exp - np.take_along_axis(z, labels[:, None], axis=1)).mean())


print(f"{'z':>5} {'two steps':>10} {'shifted':>10} {'ln(p + 1e-7)':>13} {'fused':>10} {'library':>10} {'exact':>10}")
for large in (1.0, 40.0, 100.0, 1000.0):
    z, y = np.array([[large, 0]], np.float32), np.array([1])
    with np.errstate(all="ignore"):                                    # overflow and log(0) are the point here
        plain = -np.log(np.exp(z) / np.exp(z).sum())[0, 1]
        p = softmax(z)                                                 # takes the largest logit away, too
        shifted, patched = -np.log(p)[0, 1], -np.log(p + np.float32(1e-7))[0, 1]
    fused, exact = fused_loss(z, y), large + np.log1p(np.exp(-large))
    print(f"{large:5g} {plain:10.3f} {shifted:10.3f} {patched:13.3f} {fused:10.3f} {loss(z, y):10.3f} {exact:10.3f}")
    assert np.isclose(fused, exact, rtol=1e-6) and np.isclose(loss(z, y), exact, rtol=1e-6)
assert np.isinf(plain) and np.isinf(shifted) and patched < 16.2 and fused == 1000

# %% [markdown]
# Only the fused form is right in all rows. For the gradient, two steps are worse still: cross entropy hands −1/p = −inf
# to the softmax, which multiplies it by p = 0, and 0 · inf is not a number. The fused gradient says what is needed,
# "class 0 down, class 1 up".

# %%
with np.errstate(all="ignore"):
    in_two_steps = softmax.backward(np.array([[0, -1]], np.float32) / p)
print(f"gradient in two steps {in_two_steps}, fused {loss.backward()}")
assert np.isnan(in_two_steps).any() and np.allclose(loss.backward(), [[1, -1]])

# %% [markdown]
# ## 6. The gradient: softmax minus one-hot
# For one pixel it is p − y, as lesson 1 derived. With the mean over all pixels, dL/dz = (p − y) / (H·W).
#
# **Predict:** what is its sum over the three classes of a pixel?
#
# Check it as every gradient of this library is checked (lesson 0): move each number a little to both sides, and see how
# the loss changes.

# %%
rng = np.random.default_rng(lesson.seed)
z, target = rng.normal(size=(1, 3, 4, 5)), rng.integers(0, 3, size=(1, 4, 5))
loss(z, target)
dz = loss.backward()                                                   # (1, 3, 4, 5)
assert np.allclose(dz, (softmax(z) - one_hot(target[0])) / (4 * 5), rtol=1e-12)
assert np.abs(dz.sum(axis=1)).max() < 1e-15                            # p and y both sum to 1 at each pixel
difference = np.zeros_like(z)
for index in np.ndindex(z.shape):
    nudge = np.zeros_like(z)
    nudge[index] = 1e-5
    difference[index] = (loss(z + nudge, target) - loss(z - nudge, target)) / 2e-5
error = float(np.abs(difference - dz).max() / np.abs(dz).max())
print(f"gradient against differences: largest error {error:.1e} of the largest gradient")
assert error < 1e-8

# %% [markdown]
# ## 7. The gradient is an image
# The gradient is three maps, as large as the image. To look at them we need logits that are partly right. So a small
# network of two 5 × 5 convolutions learns from 96 pets for a few steps. (The pets are rendered: lesson 5.) How good it
# becomes does not matter here; lesson 11 trains such a network in earnest. Padding "same" adds two rows and columns of
# zeros on each side of a 5 × 5 convolution's input, so that the output is as large as the input.

# %%
train, test = lesson.pets("train", limit=96), lesson.pets("test", limit=5)
model = pixelwise((5, 5), lesson.width, rng=rng)
model.summary((1, 3, lesson.size, lesson.size))
lesson.figure(plotting.diagram(model, (1, 3, lesson.size, lesson.size), title="Two 5 × 5 convolutions"), "model")
optimizer = Adam(model.parameters(), lesson.lr)
batches = Batches(train.images, train.trimaps, lesson.batch_size, rng=rng)
for epoch in range(lesson.options.epochs or 6):
    losses = [train_step(model, loss, optimizer, x, labels) for x, labels in batches]
    print(f"epoch {epoch + 1}: loss {np.mean(losses):.3f}")

# %% [markdown]
# Now one held-out image. **Predict:** where is the gradient of the object's map negative, where positive, and where
# near 0?

# %%
one = test[2 % len(test)]
image, trimap = as_input(one.images), one.trimaps.astype(np.int64)     # (1, 3, H, W), (1, H, W)
logits = model.eval()(image)                                           # (1, 3, H, W)
model_loss = loss(logits, trimap)
p, dlogits = softmax(logits)[0], loss.backward()[0]                    # (3, H, W) each
_, H, W = p.shape
assert np.allclose(dlogits * (H * W), p - one_hot(trimap[0]), atol=1e-5)
assert np.abs(dlogits.sum(axis=0)).max() * (H * W) < 1e-5
lesson.figure(subtraction_figure(image[0], trimap[0], p, dlogits * (H * W),
                                 f"The gradient, times H·W, is p − y at each pixel; the loss is {model_loss:.3f}"),
              "gradient")

# %% [markdown]
# The third row is the first minus the second. Training goes *against* the gradient: where it is red, this score will be
# lowered, where it is blue, raised, and where it is white, it stays. At each pixel the three maps sum to 0. This
# network takes the brown floor for pet, so the floor is red in the object's map and blue in the background's. The pet's
# outline is blue in the border's map, because the network gives the border too little probability there. The wall,
# which it gets right with some doubt, is pale. Of the pixels, 67 % are right.
#
# ## 8. The frame
# The maps have a frame along the edge of the image. Is it the zeros of the padding? The zeros reach inward by 2 pixels
# per 5 × 5 convolution. Replace them: repeat the image's edge pixels outward, let the model work on the larger image,
# and cut its middle out. Then no output pixel of the middle depends on a zero.
#
# **Predict:** how many pixels wide is the frame in which the two results differ?

# %%
reach = 2 + 2                                                          # pixels, for two 5 x 5 convolutions
wider = np.pad(image, [(0, 0), (0, 0), (reach, reach), (reach, reach)], mode="edge")
repeated = softmax(model(wider)[:, :, reach:-reach, reach:-reach])[0]  # (3, H, W)
differs = np.abs(p - repeated).max(axis=0)                             # (H, W)
frame = np.ones((H, W), bool)
frame[reach:-reach, reach:-reach] = False
assert differs[~frame].max(initial=0) < 1e-4 < differs[frame].max()    # inside: the same, up to rounding
BACKGROUND = CLASSES.index("background")
print(f"largest difference within {reach} pixels of the edge {differs[frame].max():.3f}, farther inside "
      f"{differs[~frame].max(initial=0):.1e}")
of_frame, of_all = (float((maps == BACKGROUND).mean()) for maps in (train.trimaps[:, frame], train.trimaps))
print(f"probability of background in the frame, on average: {p[BACKGROUND][frame].mean():.3f} with zeros, "
      f"{repeated[BACKGROUND][frame].mean():.3f} with repeated edges")
print(f"training images: {of_frame:.1%} of the frame's pixels are background, {of_all:.1%} of all pixels")

# %% [markdown]
# The frame is 4 pixels wide, 2 per convolution, and it comes from the zeros. Farther inside, nothing changes but the
# rounding. Near the edge, a probability changes by up to 0.844. In the frame, the network gives the background a
# probability of 0.713 on average, and with repeated edges only 0.513. In the training images 87.5 % of the frame's
# pixels are background, of all pixels 60.5 %. So the zeros can be of use: they are a mark that the edge is near, and
# near the edge "background" is a good answer. (That padding gives networks some knowledge of position was shown by
# Islam, Jia and Bruce, "How much position information do convolutional neural networks encode?", ICLR 2020.)
#
# ## 9. Training without a model
# Forget the network. Let the logits themselves be the parameters, 3·H·W of them for one image, and follow the gradient.
# The mean divides each pixel's gradient by H·W, so a learning rate of H·W gives each pixel a step of p − y.
#
# **Predict:** from logits 0, all p are 1/3. After one step the logits are 2/3 for the right class and −1/3 for the
# others. What is the loss then?

# %%
z = np.zeros((1, 3, H, W))
start = loss(z, trimap)
z -= H * W * loss.backward()
print(f"from logits 0: loss {start:.4f} = ln 3, after one step {loss(z, trimap):.4f} = ln(1 + 2/e)")
assert np.isclose(start, np.log(3)) and np.isclose(loss(z, trimap), np.log(1 + 2 / np.e))

# %% [markdown]
# The same from the network's logits, where some pixels are right already and others are not.

# %%
z, history, frames = logits.astype(np.float64), [], {}
for step in range(101):
    history.append(loss(z, trimap))
    if step in (0, 1, 2, 4, 10, 100):
        frames[f"step {step}: loss {history[-1]:.3f}"] = softmax(z)[0]             # (3, H, W)
    z -= H * W * loss.backward()
assert np.all(np.diff(history) < 0)                                    # every step lowers the loss
right = [float((p.argmax(axis=0) == trimap[0]).mean()) for p in frames.values()]
print("pixels right: " + ", ".join(f"{share:.1%} at {name.split(':')[0]}" for name, share in zip(frames, right)))
assert right[-1] == 1
lesson.figure(descent_figure(frames, trimap[0], "Each pixel's probabilities approach the truth"), "descent")

# %% [markdown]
# Above, the three class colors are mixed in the shares that p gives them; below, white means that no gradient is left.
# After one step 92.2 % of the pixels are right, after two all of them. Each pixel went to its own truth alone. The
# image was not used at all, so these logits are of no use for another image. A network has to *compute* the logits from
# the image, with weights that all pixels of all images share. Its backward pass starts with the gradient maps of
# section 7. The lessons from here to 18 change what comes before them, the model.
#
# ## Recap
# - Output, one-hot label, probabilities and gradient of an image all have the shape (3, H, W): one map per class.
# - The loss is the mean of the pixels' cross entropies, calculated as log-sum-exp minus the right class's logit.
# - Its gradient is (softmax − one-hot) / (H·W): every pixel says on its own which of its scores should rise.
#
# **Write it yourself:** `pixel_cross_entropy` and `pixel_cross_entropy_gradient`. `python -m lessons.exercises 09` puts
# stubs into `my/09_pixelwise_cross_entropy.py` and checks what you write.

# %%
lesson.finish(first_loss=history[0], last_loss=history[-1], steps=len(history) - 1, model_loss=model_loss,
              gradient_error=error, frame_difference=float(differs[frame].max()), pixels_right=right,
              image=one.names[0])

# %% [markdown]
# **Try:**
# 1. ★ In section 4, weight the classes: `CrossEntropyLoss(weight=np.array([1.0, 1.0, 5.0]))`. You should see a loss of
#    0.982, a weighted mean of the four pixels' losses with the sum of the weights below it. Work it out by hand.
# 2. ★ In section 9, take a learning rate of 0.1·H·W, and then 10·H·W, and 200 steps. The loss falls at every step with
#    both. `np.argmax(np.array(history) < 0.05)` should be 126 with the first, and 1 with the second.
# 3. ★ In section 9, train with `CrossEntropyLoss(ignore_index=2)`. Its gradient should be exactly 0 at each border
#    pixel. You should see 92.1% of the pixels right after 100 steps. Which are not? (The assertion that all are has to
#    go.)
# 4. ★★ *Label smoothing* replaces y by 0.9 y + 0.1/3. The gradient is p − y as before. Write this loss and section 9's
#    descent in plain NumPy. After 1,000 steps the loss should be between 0.29 and 0.30. Why does it not go to 0?
# 5. ★★★ In section 8, train with zeros and test with repeated edges, or train with both. Does the frame go away? Does
#    it cost anything?
