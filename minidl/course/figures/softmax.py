"""The drawing of softmax regression on one number: a probability for each class, and the samples below."""
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from minidl.plotting.canvas import INK, LEGEND, LINE_COLORS, QUIET, SMALL, TEXT, describe, patches, subplots

from matplotlib.figure import Figure

STEP = 0.035             # distance of two samples one below the other, in probability


def probability_curves(panels: Mapping[str, tuple[Any, Any]], x: Any, samples: Any, labels: Any,
                       class_names: Sequence[str], boundaries: Sequence[float] = (), title: str | None = None,
                       xlabel: str = "") -> Figure:
    """Draw the probability of each class over one feature, once for each panel, and the samples as dots below.

    Parameters
    ----------
    panels : {name: (probabilities, predicted)}
        probabilities (n, K) at the places x; predicted (N,), the class of each sample. Samples that are predicted
        wrongly have a ring.
    x : (n,)
        Ascending.
    samples, labels : (N,)
        The samples' feature, and their class, 0 to K - 1, which is their color.
    class_names : K strings
    boundaries : numbers, optional
        Of the feature: dashed lines in the last panel.
    title : str, optional
        Headline.
    xlabel : str
    """
    x, samples, labels = np.asarray(x), np.asarray(samples), np.asarray(labels)
    if not panels or samples.shape != labels.shape or samples.ndim != 1:
        raise ValueError(f"probability_curves: expected at least one panel, and as many labels as samples, got "
                         f"{len(panels)} panels, samples {samples.shape} and labels {labels.shape}")
    colors = LINE_COLORS[:len(class_names)]
    figure, axes = subplots(60 + 290 * len(panels), 350, len(panels), title)
    depth = np.array([np.sum(samples[:k] == one) for k, one in enumerate(samples)])      # how many are above it
    said = []
    for one, (head, (probabilities, predicted)) in zip(axes, panels.items()):
        for curve, color in zip(np.asarray(probabilities).T, colors):
            one.plot(x, curve, color=color, linewidth=1.8)
        wrong = np.asarray(predicted) != labels
        one.scatter(samples, -0.1 - STEP * depth, 9, [colors[k] for k in labels],
                    edgecolors=[INK if ring else "none" for ring in wrong], linewidths=0.9)
        one.axhline(0, color=QUIET, linewidth=0.8)
        one.set(xlim=x[[0, -1]], ylim=(-0.16 - STEP * depth.max(), 1.03), yticks=[0, 0.5, 1])
        one.set_title(head, loc="left", fontsize=TEXT, color=INK)
        one.set_xlabel(xlabel, fontsize=SMALL, color=QUIET)
        said.append(f"{head}: {wrong.sum()} of {len(samples)} predicted wrongly")
    for boundary in boundaries:
        axes[-1].axvline(boundary, color=QUIET, linewidth=1, linestyle="--")
    axes[0].set_ylabel("probability", fontsize=SMALL, color=QUIET)
    figure.legend(handles=patches(list(class_names), colors), loc="outside lower left", ncols=len(class_names),
                  **LEGEND | {"borderaxespad": 0.8})
    describe(figure, title, f"The probabilities of {', '.join(class_names)} over {xlabel}", *said)
    return figure
