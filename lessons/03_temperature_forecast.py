# %% [markdown]
# # 03 · Forecasting: 64 days in, three numbers out
# Slides 7, 11. *If the answer is no class but a number, what are output and loss, and what must a model beat?*
#
# **New here:** regression and its loss, the mean squared error; data in time, and how not to cheat with them;
# overfitting, and weight decay against it; the cosine schedule; yardsticks that a model has to beat.
#
# **Needs:** gradients (lesson 0), classification and its training loop (lesson 1), a hidden layer with ReLU,
# minibatches, Adam, validation (lesson 2).

# %%
import time

import numpy as np

from minidl import Adam, CosineSchedule, CrossEntropyLoss, Linear, MSELoss, ReLU, Sequential
from minidl.course.lesson import Lesson
from minidl.datasets.temperatures import load_temperatures, windows
from minidl.plotting import canvas

from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

lesson = Lesson("03_temperature_forecast", epochs=150, lr=1e-3, batch_size=32, width=64)
print("(the data are a small table, --data and --size change nothing here; --width: units of the hidden layer)")

# %% [markdown]
# ## 1. Windows in time
# The highest temperature of each day in Seattle, 2012 to 2015, in °C. In: 64 days, x (64,). Out: the three days after
# them, y (3,). Any day can be the first of such a window, except for the last 66; so there are many, and they overlap.

# %%
days = load_temperatures(lesson.table("seattle.csv"))
x, y = windows(days.highest, past=64, ahead=3)                     # (1395, 64), (1395, 3) in °C
_, dates = windows(days.dates, past=64, ahead=3)                   # (1395, 3): the days to forecast
print(f"{len(days)} days, {len(x)} windows: x {x.shape}, y {y.shape}")

# %% [markdown]
# **How not to cheat.** A forecast must not know the future. If windows were held out at random, nearly each would have
# a neighbor in training that shares 66 of its 67 days, also those to be forecast: they could be learned by heart. So
# split by time: train on 2012 and 2013; decide on 2014, the *validation* year; and look at 2015, the *last* year, once,
# in the end. A window belongs to the part that its three days to forecast are in, and to none if they lie in two. Its
# 64 days may reach back into the part before: in January one knows what December was like.
#
# **Predict:** how many windows are lost at the two borders?

# %%
years = dates.astype("datetime64[Y]").astype(int) + 1970           # (1395, 3)
parts = {name: (years[:, 0] >= first) & (years[:, -1] <= last)
         for name, first, last in (("training", 2012, 2013), ("validation", 2014, 2014), ("last year", 2015, 2015))}
print({name: int(part.sum()) for name, part in parts.items()})
assert sum(part.sum() for part in parts.values()) == len(x) - 4
assert dates[parts["training"]].max() < dates[parts["validation"]].min()
assert dates[parts["validation"]].max() < dates[parts["last year"]].min()

# %% [markdown]
# Four: two at each border, where the three days lie in two parts. Mean and standard deviation, to standardize with, are
# those of the training years alone: those of all four would tell something about the years to come.

# %%
known = days.highest[days.dates < np.datetime64("2014-01-01")]
mean, std = known.mean(), known.std()
inputs, targets = (x - mean) / std, (y - mean) / std               # float32, what the model sees
print(f"training years: mean {mean:.2f} °C, standard deviation {std:.2f} °C")


# %%
def time_axes(figure, left, top, width, height):
    """Return axes for degrees over dates."""
    axes = canvas.place(figure, left, top, width, height)
    canvas.quiet(axes)
    locator = AutoDateLocator(minticks=4, maxticks=9)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, show_offset=False))
    return axes


figure = canvas.blank(900, 414)
canvas.write(figure, 12, 20, "Four years, split by time; below, one window", canvas.TITLE, 860, weight="bold")
canvas.legend(figure, 40, 30, list(parts))
axes = time_axes(figure, 40, 62, 840, 130)
for (name, part), color in zip(parts.items(), canvas.LINE_COLORS):
    inside = np.isin(days.dates, dates[part])
    axes.plot(days.dates, np.where(inside, days.highest, np.nan), color=color, linewidth=0.8)
axes.plot(days.dates[:64], days.highest[:64], color=canvas.QUIET, linewidth=0.8)
sample = int(np.flatnonzero(parts["validation"])[30])
axes.axvspan(days.dates[sample], dates[sample, -1], color=canvas.GRID)
axes = time_axes(figure, 40, 246, 840, 124)
axes.plot(days.dates[sample:sample + 64], x[sample], ".-", color=canvas.QUIET, linewidth=1)
axes.plot(dates[sample], y[sample], "o-", color=canvas.LINE_COLORS[1], linewidth=1, markersize=5)
canvas.write(figure, 40, 230, f"64 days until {dates[sample, 0] - 1}, and the three to forecast (shaded above)",
             canvas.TEXT, 840)
canvas.write(figure, 40, 398, "highest temperature of each day in °C", canvas.SMALL, 840, color=canvas.QUIET)
lesson.figure(figure, "windows")

# %% [markdown]
# ## 2. Two tasks side by side
# Slide 7. *Classification*: in goes an array, out come a score for each class and by softmax its probability, the loss
# is cross entropy. *Forecasting*, a kind of *regression*: in goes an array, out come the numbers themselves, with no
# softmax and no bound, and the loss is the **mean squared error**: the mean of (ŷ − y)² over all numbers. Its gradient
# is 2 (ŷ − y) / (how many there are): the same "what it says minus what is true" as in lesson 1. Everything between
# input and output may be alike.
#
# **Predict:** the losses of two models that know nothing: one gives each of ten digits 1/10, the other always forecasts
# the mean of the training years. In which unit is each?

# %%
digit = np.loadtxt(lesson.table("digits.csv.gz"), delimiter=",", max_rows=1)                       # (65,)
picture, label = digit[:64].reshape(8, 8), int(digit[64])
ignorant = CrossEntropyLoss().forward(np.zeros((1, 10)), np.array([label]))                        # equal scores
mse = MSELoss()
constant = mse.forward(np.full_like(y[parts["validation"]], mean), y[parts["validation"]])
print(f"cross entropy {ignorant:.3f} = ln 10, no unit; mean squared error {constant:.1f} °C², its root "
      f"{constant**0.5:.1f} °C")

# %%
figure = canvas.blank(900, 440)
canvas.write(figure, 12, 20, "Input, output, loss: a class, or numbers", canvas.TITLE, 860, weight="bold")
for left, height, text in ((16, 154, "in"), (16, 324, "out"), (16, 420, "loss"), (80, 48, "classification"),
                           (480, 48, "forecasting")):
    canvas.write(figure, left, height, text, canvas.TITLE, 200, weight="bold")
canvas.draw_grid(figure, 120, 88, picture, 17, "an image, (1, 8, 8)", "gray_r")
axes = canvas.place(figure, 80, 272, 260, 100)
canvas.quiet(axes)
axes.bar(range(10), np.full(10, 0.1), 0.7, color=canvas.LINE_COLORS[0])
axes.bar(range(10), np.eye(10)[label], 0.85, fill=False, edgecolor=canvas.INK)
axes.set(xticks=range(10), yticks=[0, 1])
canvas.write(figure, 80, 258, "ten probabilities (bars: knows nothing; box: truth)", canvas.TEXT, 330)
canvas.write(figure, 80, 420, f"cross entropy −Σ y log ŷ = {ignorant:.3f}", canvas.TITLE, 330)
axes = time_axes(figure, 480, 88, 390, 130)
axes.plot(days.dates[sample:sample + 64], x[sample], ".-", color=canvas.QUIET, linewidth=1)
canvas.write(figure, 480, 74, "64 days, (64,), in °C", canvas.TEXT, 380)
axes = canvas.place(figure, 480, 272, 260, 100)
canvas.quiet(axes)
axes.bar(range(3), np.full(3, mean), 0.5, color=canvas.LINE_COLORS[0])
axes.bar(range(3), y[sample], 0.65, fill=False, edgecolor=canvas.INK)
axes.set_xticks(range(3), ["tomorrow", "in 2 days", "in 3 days"])
one = mse.forward(np.full_like(y[sample], mean), y[sample])
canvas.write(figure, 480, 258, "three numbers in °C (bars: the mean; box: truth)", canvas.TEXT, 380)
canvas.write(figure, 480, 420, f"mean squared error mean (ŷ − y)² = {one:.1f} °C²", canvas.TITLE, 380)
lesson.figure(figure, "two_tasks")

# %% [markdown]
# ## 3. The slide's example
# Slide 11: the truth is (11.18, 11.66, 8.97), an untrained network says (2.06, −4.36, −0.65), and the slide prints a
# mean squared error of 144.2637.
#
# **Predict:** (9.12² + 16.02² + 9.62²) / 3, roughly.

# %%
truth, first_says = np.array([11.18, 11.66, 8.97]), np.array([2.06, -4.36, -0.65])
slide = mse.forward(first_says, truth)
half = 0.005                                                       # each printed number may be off by so much
least, most = mse.forward(first_says + half, truth - half), mse.forward(first_says - half, truth + half)
print(f"MSE {slide:.2f}; the slide's numbers are rounded: it may be anything from {least:.2f} to {most:.2f}")
assert round(slide, 2) == 144.12 and least < 144.2637 < most

# %% [markdown]
# The slide's value belongs to the numbers before they were rounded: each difference may be off by 0.01, and squares of
# 9 to 16 make that 0.23. Remember it when you compare results that were printed.
#
# ## 4. Yardsticks
# An MSE of 13 °C² says nothing by itself. Two forecasts need no training: *persistence*, it stays as today; and the
# *mean* of the 64 days. A model that does not beat both has learned nothing of use.
#
# **Predict:** which of the two is better, for tomorrow, and in three days?


# %%
def persistence(part):
    return np.repeat(x[part][:, -1:], 3, axis=1)                   # (n, 3)


def mean_of_days(part):
    return np.repeat(x[part].mean(axis=1, keepdims=True), 3, axis=1)


def by_days_ahead(forecast, part):
    """Return the mean squared error of a forecast (n, 3) in °C², for each of the three days."""
    return ((forecast - y[part]) ** 2).mean(axis=0)                # (3,)


for method in (persistence, mean_of_days):
    print(f"{method.__name__:<13}", {name: round(float(by_days_ahead(method(parts[name]), parts[name]).mean()), 2)
                                     for name in ("training", "validation")},
          "by days ahead, validation", by_days_ahead(method(parts["validation"]), parts["validation"]).round(1))
to_beat = float(by_days_ahead(persistence(parts["validation"]), parts["validation"]).mean())

# %% [markdown]
# Persistence is the better of the two; its error doubles from tomorrow to the third day, that of the mean hardly grows.
#
# ## 5. The model, and its training
# Slide 11: 64 days → 64 units → three numbers. The loss is taken of standardized temperatures; times std² it is in °C².
#
# Training is lesson 2's: minibatches in a new order each epoch, and Adam. New is a *cosine schedule*: the learning rate
# falls along a cosine, from its full value to nearly 0 at the end, large steps first, small ones to settle.
#
# **Predict:** the model has 4,355 parameters, and 665 windows times three numbers to fit. What can go wrong?


# %%
def new_model(rng):
    return Sequential(Linear(64, lesson.width, rng=rng), ReLU(), Linear(lesson.width, 3, rng=rng))


def error_of(model, name):
    """Return the mean squared error on a part in °C²."""
    return mse.forward(model.forward(inputs[parts[name]]), targets[parts[name]]) * float(std) ** 2


def train(weight_decay):
    """Train a new model, and return it with its errors after each epoch."""
    rng = np.random.default_rng(lesson.seed)
    model, history = new_model(rng), []
    optimizer = Adam(model.parameters(), lesson.lr, weight_decay=weight_decay)
    windows_to_learn = np.flatnonzero(parts["training"])           # (665,)
    starts = range(0, len(windows_to_learn), lesson.batch_size)
    schedule = CosineSchedule(optimizer, lesson.options.epochs * len(starts))
    for _ in range(lesson.options.epochs):
        order = rng.permutation(windows_to_learn)
        for start in starts:
            batch = order[start:start + lesson.batch_size]
            optimizer.zero_grad()
            mse.forward(model.forward(inputs[batch]), targets[batch])
            model.backward_parameters(mse.backward())              # the gradient of the days themselves is not needed
            optimizer.step()
            schedule.step()
        history.append([error_of(model, name) for name in ("training", "validation")])
    print(f"weight decay {weight_decay:<4g} training {history[-1][0]:6.2f}, validation {history[-1][1]:6.2f} °C²")
    return model, np.array(history)                                # (epochs, 2)


new_model(lesson.seed).summary((1, 64))
first_loss = error_of(new_model(np.random.default_rng(lesson.seed)), "training")
print(f"before training {first_loss:.1f} °C²; persistence in the validation year {to_beat:.2f}")

# %% [markdown]
# It can learn the training years by heart: *overfitting*. A remedy is **weight decay**: add a little of each parameter
# to its gradient, which pulls it to 0 unless the data object. How much? That is not for the training years to say, they
# would say "none". So train with several, and let the validation year choose.

# %%
started = time.perf_counter()
DECAYS = (0.0, 0.01, 0.03, 0.1, 0.3)
runs = {decay: train(decay) for decay in DECAYS}
seconds = time.perf_counter() - started
chosen = min(DECAYS, key=lambda decay: runs[decay][1][-1, 1])
model, history = runs[chosen]
last_loss = float(history[-1, 0])
print(f"chosen: {chosen:g}; all five trained in {seconds:.1f} s")

# %%
figure = canvas.blank(900, 330)
title = lesson.headline("Without weight decay, the training years are learned by heart", "Weight decay")
canvas.write(figure, 12, 20, title, canvas.TITLE, 860, weight="bold")
canvas.legend(figure, 40, 30, ["training", "validation", "persistence in the validation year"],
              [*canvas.LINE_COLORS[:2], canvas.QUIET])
panels = [(f"weight decay {decay:g}", np.arange(1, len(runs[decay][1]) + 1), runs[decay][1]) for decay in (0.0, chosen)]
panels.append(("after training, by weight decay", np.arange(len(DECAYS)), np.array([runs[d][1][-1] for d in DECAYS])))
for k, (title, at, values) in enumerate(panels):
    axes = canvas.place(figure, 40 + 294 * k, 84, 264, 200)
    canvas.quiet(axes)
    axes.axhline(to_beat, color=canvas.QUIET, linewidth=1, linestyle="--")
    for errors, color in zip(values.T, canvas.LINE_COLORS):
        axes.plot(at, errors, color=color, linewidth=1.6, marker="o" if k == 2 else "", markersize=4)
    axes.set(ylim=(0, 30))
    canvas.write(figure, 40 + 294 * k, 70, title, canvas.TEXT, 264)
axes.set_xticks(range(len(DECAYS)), [f"{decay:g}" for decay in DECAYS])
canvas.write(figure, 40, 316, "mean squared error in °C² over epochs", canvas.SMALL, 560, color=canvas.QUIET)
lesson.figure(figure, "overfitting", alt="Mean squared error in °C² after training, by weight decay: " + "; ".join(
    f"{decay:g}: training {runs[decay][1][-1, 0]:.1f}, validation {runs[decay][1][-1, 1]:.1f}" for decay in DECAYS))

# %% [markdown]
# Without weight decay the training error falls and falls, down to a third of persistence's, and the validation error
# does not follow: what is learned now holds for these two years only. With too much, neither falls. In between lies a
# minimum of the validation error, and only there the model is clearly better than "as today".
#
# ## 6. The last year
# All is decided; now, once, the year that had no say.

# %%
part = parts["last year"]
forecasts = {"model": model.forward(inputs[part]) * std + mean, "persistence": persistence(part),
             "mean of 64 days": mean_of_days(part)}                # (363, 3) each
errors = {name: by_days_ahead(forecast, part) for name, forecast in forecasts.items()}             # (3,) each
for name, error in errors.items():
    print(f"{name:<15} MSE {error.mean():6.2f} °C², by days ahead " + ", ".join(f"{value:5.2f}" for value in error)
          + f"; root of the mean {error.mean()**0.5:.2f} °C")
better = {name: float(1 - errors["model"].mean() / error.mean()) for name, error in errors.items() if name != "model"}
print("less than " + ", ".join(f"{name}: {share:.0%}" for name, share in better.items()))

# %%
figure = canvas.blank(900, 470)
title = lesson.headline("The last year: the forecast follows late and avoids the extremes", "The last year")
canvas.write(figure, 12, 20, title, canvas.TITLE, 860, weight="bold")
canvas.legend(figure, 40, 30, ["measured", "forecast"], [canvas.QUIET, canvas.LINE_COLORS[1]])
axes = time_axes(figure, 40, 78, 840, 150)
axes.plot(dates[part][:, 0], y[part][:, 0], color=canvas.QUIET, linewidth=1)
axes.plot(dates[part][:, 0], forecasts["model"][:, 0], color=canvas.LINE_COLORS[1], linewidth=1.4)
canvas.write(figure, 40, 66, "each day, as forecast the day before", canvas.TEXT, 800)
axes = time_axes(figure, 40, 276, 840, 160)
shown = slice(120, 192)
axes.plot(dates[part][shown, 0], y[part][shown, 0], ".-", color=canvas.QUIET, linewidth=1, markersize=5)
for k in range(shown.start, shown.stop - 2, 3):                    # a line from the last day known, three days ahead
    when = np.concatenate([dates[part][k, :1] - 1, dates[part][k]])
    axes.plot(when, [x[part][k, -1], *forecasts["model"][k]], color=canvas.LINE_COLORS[1], linewidth=1)
    axes.plot(when[1:], forecasts["model"][k], "o", color=canvas.LINE_COLORS[1], markersize=3.5)
canvas.write(figure, 40, 264, "some weeks of it: every third day, the next three from what was known", canvas.TEXT,
             840)
canvas.write(figure, 40, 460, "highest temperature of each day in °C", canvas.SMALL, 800, color=canvas.QUIET)
lesson.figure(figure, "forecast")

# %%
figure = canvas.blank(620, 300)
canvas.write(figure, 12, 20, lesson.headline("The further ahead, the more there is to gain over “as today”",
                                             "The error by days ahead"), canvas.TITLE, 600, weight="bold")
canvas.legend(figure, 40, 30, list(errors))
axes = canvas.place(figure, 40, 66, 560, 190)
canvas.quiet(axes)
for k, (error, color) in enumerate(zip(errors.values(), canvas.LINE_COLORS)):
    bars = axes.bar(np.arange(3) + 0.28 * (k - 1), error, 0.25, color=color)
    axes.bar_label(bars, [f"{value:.1f}" for value in error], fontsize=canvas.SMALL, color=canvas.INK)
axes.set_xticks(range(3), ["tomorrow", "in 2 days", "in 3 days"])
canvas.write(figure, 40, 288, "mean squared error in °C², last year", canvas.SMALL, 560, color=canvas.QUIET)
lesson.figure(figure, "by_days_ahead", alt="Mean squared error in °C², one to three days ahead: " + "; ".join(
    f"{name} " + ", ".join(f"{value:.1f}" for value in error) for name, error in errors.items()))

# %% [markdown]
# For tomorrow, "as today" is hard to beat. In three days, today tells less, and what is usual tells more: the model
# has learned to mix the two, and to lean to the usual the further it looks. If a matter is uncertain, the forecast with
# the least *squared* error is the mean of what may come, and so it stays in the middle, while the weather does not.

# %%
lesson.finish(test={name.replace(" ", "_"): float(error.mean()) for name, error in errors.items()},
              by_days_ahead={name.replace(" ", "_"): {f"day_{k + 1}": float(value) for k, value in enumerate(error)}
                             for name, error in errors.items()},
              validation_mse=float(history[-1, 1]), validation_persistence=to_beat, weight_decay=chosen,
              slide_mse=slide, first_loss=first_loss, last_loss=last_loss, epochs=len(history),
              training_windows=int(parts["training"].sum()), test_windows=int(part.sum()),
              parameters=sum(p.data.size for p in model.parameters()), training_seconds=round(seconds, 2))
if lesson.as_intended:
    assert errors["model"].mean() < 0.85 * errors["persistence"].mean() < errors["mean of 64 days"].mean()
    assert history[-1, 1] < to_beat and history[-1, 1] < runs[0.0][1][-1, 1] - 1

# %% [markdown]
# **Try**, and compare in the validation year, for the last year has been looked at:
# 1. `Sequential(Linear(64, 3, rng=rng))` as `new_model`. How much does the hidden layer buy?
# 2. `inputs = inputs.copy(); inputs[:, :-7] = 0` after section 1: the model sees a week only. Are the others good for
#    anything? And two days?
# 3. Cheat: split at random, `kind = np.random.default_rng(0).integers(0, 3, len(x))` and `parts = {name: kind == k for
#    k, name in enumerate(parts)}` after its assertions. What becomes of the validation error without weight decay?
