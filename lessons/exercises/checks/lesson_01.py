"""The checks of lesson 1's exercises."""
from collections.abc import Iterator
from typing import Any

import numpy as np

from minidl.course.exercises.check import Arguments, Check, differences
from minidl.layers.activation import softmax as library_softmax
from minidl.loss import CrossEntropyLoss
from minidl.types import Array


def softmax(scores: Array) -> Array:
    return library_softmax(scores)


def score_cases(rng: np.random.Generator) -> Iterator[Arguments]:
    yield {"scores": np.array([[0.0, 1.0]])}
    for N, K in ((1, 3), (2, 1), (2, 2), (3, 2)):
        yield {"scores": rng.normal(size=(N, K)).round(2)}
    yield {"scores": np.array([[1000.0, 999.0, 0.0]])}
    yield {"scores": np.array([[-1000.0, -1001.0], [1000.0, 1000.0]])}
    yield {"scores": np.array([[1000.0, -1000.0, -1000.0]])}      # too far from the mean as well
    yield {"scores": rng.normal(scale=3.0, size=(4, 5))}


def labeled_cases(rng: np.random.Generator) -> Iterator[Arguments]:
    for case in score_cases(rng):
        N, K = case["scores"].shape
        yield {**case, "labels": rng.integers(K, size=N)}
    yield {"scores": np.array([[1000.0, 0.0, 0.0]]), "labels": np.array([1])}
    yield {"scores": rng.normal(size=(5, 3)), "labels": np.array([2, 2, 0, 1, 2])}


def overflowing(scores: Array) -> Array:
    return np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)


def of_one_maximum(scores: Array) -> Array:
    return overflowing(scores - scores.max())


def exponentials(scores: Array) -> Array:
    return np.exp(scores - scores.max(axis=1, keepdims=True))


def divided(exp: Any, **of_sum: Any) -> Any:
    """Return a softmax that divides by another sum."""
    def mistake(scores: Array) -> Array:
        e = exp(scores)
        return e / e.sum(**of_sum)
    return mistake


SOFTMAX_MISTAKES = {
    "exp overflows: subtract each row's largest score before exp": overflowing,
    "one number, the largest of all scores, is subtracted; a row far below it has nothing left: take each row's own":
        of_one_maximum,
    "the mean of each row is subtracted: a score far above it still overflows; subtract the largest":
        lambda scores: overflowing(scores - scores.mean(axis=1, keepdims=True)),
    "the largest score of each class (axis 0) is subtracted: take the largest of each row, axis 1":
        lambda scores: overflowing(scores - scores.max(axis=0)),
    "the sum goes over the samples (axis 0): it has to go over the classes, axis 1": divided(exponentials, axis=0),
    "maximum and sum go over the samples (axis 0): they have to go over the classes, axis 1":
        lambda scores: softmax(scores.T).T,
    "the sum goes over all samples together: each row has its own, axis 1": divided(exponentials),
    "maximum and sum go over all samples together: each row has its own, axis 1":
        lambda scores: np.exp(scores - scores.max()) / np.exp(scores - scores.max()).sum(),
    "each row is divided by other rows' sums: sum(axis=1) is (N,); keepdims=True makes it (N, 1)":
        divided(exponentials, axis=1),
    "the sum goes over the samples (axis 0), and exp overflows: first sum over the classes, axis 1":
        divided(np.exp, axis=0),
    "the sum goes over all samples together, and exp overflows: first give each row its own sum, axis 1":
        divided(np.exp),
    "each row is divided by other rows' sums, and exp overflows: first make the sums (N, 1) by keepdims=True":
        divided(np.exp, axis=1),
    "this is not divided by the sum": exponentials,
    "exp is missing: these are the shares of the scores themselves":
        lambda scores: scores / scores.sum(axis=1, keepdims=True),
    "these are the logarithms of the probabilities": lambda scores: np.log(softmax(scores)),
}


def library_loss(scores: Array, labels: Array) -> float:
    return CrossEntropyLoss().forward(scores, labels)


def losses(scores: Array, labels: Array) -> Array:
    """Return the loss of each sample (N,)."""
    shifted = scores - scores.max(axis=1, keepdims=True)
    return np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(len(scores)), labels]


def logarithm_of(probabilities: Any, tiny: float = 0.0, least: float = 0.0, mean: Any = np.mean) -> Any:
    """Return a cross entropy that takes the logarithm of probabilities, plus a tiny number or at least another."""
    def mistake(scores: Array, labels: Array) -> float:
        return -mean(np.log(np.maximum(probabilities(scores)[np.arange(len(scores)), labels] + tiny, least)))
    return mistake


def times_one_hot(probabilities: Any) -> Any:
    """Return a cross entropy that multiplies all logarithms by one-hot: 0 times −∞ is NaN."""
    def mistake(scores: Array, labels: Array) -> float:
        return -(one_hot(scores, labels) * np.log(probabilities(scores))).sum() / len(scores)
    return mistake


def one_hot(scores: Array, labels: Array) -> Array:
    return np.eye(scores.shape[1])[labels]


TINY = (1e-7, 1e-8, 1e-9, 1e-10, 1e-12, 1e-15)

LOSS_MISTAKES = {
    "this is the sum over the samples, not the mean: divide by N": lambda scores, labels: losses(scores, labels).sum(),
    "these are the losses of the single samples: return their mean": losses,
    "the sum is divided by all N·K numbers: divide by N, the number of samples":
        lambda scores, labels: losses(scores, labels).sum() / scores.size,
    "exp overflows: subtract the largest score m inside the sum, add it outside": lambda scores, labels: np.mean(
        np.log(np.exp(scores).sum(axis=1)) - scores[np.arange(len(scores)), labels]),
    "exp overflows in softmax: calculate log-sum-exp from the scores": logarithm_of(overflowing),
    "the probability of the right class may be rounded to 0, and log 0 is −∞: calculate log-sum-exp from the scores":
        logarithm_of(softmax),
    "exp overflows in softmax, and this is the sum over the samples, not the mean":
        logarithm_of(overflowing, mean=np.sum),
    "this is the sum over the samples, not the mean, and log 0 is −∞ where a probability is rounded to 0":
        logarithm_of(softmax, mean=np.sum),
    "0 times log 0 is NaN, where a probability is rounded to 0: calculate log-sum-exp from the scores":
        times_one_hot(softmax),
    "exp overflows in softmax, and 0 times log 0 is NaN: calculate log-sum-exp from the scores":
        times_one_hot(overflowing),
    **{f"log(p + {tiny:g}) is never below {np.log(tiny):.1f}: calculate log-sum-exp from the scores":
        logarithm_of(softmax, tiny) for tiny in TINY},
    **{f"a probability of at least {tiny:g} has no logarithm below {np.log(tiny):.1f}: calculate log-sum-exp from the "
       "scores": logarithm_of(softmax, least=tiny) for tiny in TINY},
    "one number, the largest of all scores, is subtracted: take each row's own": lambda scores, labels: np.mean(
        np.log(np.exp(scores - scores.max()).sum(axis=1)) + scores.max() - scores[np.arange(len(scores)), labels]),
    "the largest score m was subtracted inside the sum, but not added outside": lambda scores, labels: np.mean(
        losses(scores, labels) - scores.max(axis=1)),
    "the score of the right class is not subtracted: this is log-sum-exp alone": lambda scores, labels: np.mean(
        losses(scores, labels) + scores[np.arange(len(scores)), labels]),
    "the score of the right class is added: subtract it from log-sum-exp": lambda scores, labels: np.mean(
        losses(scores, labels) + 2 * scores[np.arange(len(scores)), labels]),
    "scores[:, labels] takes the columns `labels` of all rows: scores[np.arange(N), labels] takes one of each":
        lambda scores, labels: np.mean([losses(scores, np.full(len(scores), k)) for k in labels]),
    "this is the mean over all classes, but only the right one counts": lambda scores, labels: np.mean(
        [losses(scores, np.full(len(scores), k)) for k in range(scores.shape[1])]),
    "the logarithm has base 2: take the natural one, np.log": lambda scores, labels: np.mean(
        losses(scores, labels)) / np.log(2),
}


def gradient_with(wrong_softmax: Any) -> Any:
    """Return a gradient that is right but for its softmax."""
    def mistake(scores: Array, labels: Array) -> Array:
        return (wrong_softmax(scores) - one_hot(scores, labels)) / len(scores)
    return mistake


def all_columns(scores: Array, labels: Array) -> Array:
    dz = softmax(scores)
    dz[:, labels] -= 1
    return dz / len(dz)


def whole_rows(scores: Array, labels: Array) -> Array:
    dz = softmax(scores)
    dz[labels] -= 1
    return dz / len(dz)


GRADIENT_MISTAKES = {
    "the 1/N of the mean is missing: divide by the number of samples":
        lambda scores, labels: softmax(scores) - one_hot(scores, labels),
    "this is divided by all N·K numbers: divide by N, the number of samples":
        lambda scores, labels: (softmax(scores) - one_hot(scores, labels)) / scores.size,
    "the one-hot part is missing: subtract 1 at the right class":
        lambda scores, labels: softmax(scores) / len(scores),
    "only the right class has a gradient here: the others have ŷ / N":
        lambda scores, labels: one_hot(scores, labels) * (softmax(scores) - 1) / len(scores),
    "the sign is wrong: softmax minus one-hot, not one-hot minus softmax":
        lambda scores, labels: (one_hot(scores, labels) - softmax(scores)) / len(scores),
    "1 is subtracted in the columns `labels` of all rows: dz[np.arange(N), labels] is one of each": all_columns,
    "1 is subtracted in whole rows: dz[np.arange(N), labels] is one number of each row": whole_rows,
    "the labels themselves are subtracted: write them as one-hot, 1 at the right class, else 0":
        lambda scores, labels: (softmax(scores) - labels[:, None]) / len(scores),
    "this is divided by K: divide by N, the number of samples":
        lambda scores, labels: (softmax(scores) - one_hot(scores, labels)) / scores.shape[1],
    "the sign is wrong (softmax minus one-hot), and the 1/N of the mean is missing":
        lambda scores, labels: one_hot(scores, labels) - softmax(scores),
    "the samples are averaged: each sample has a gradient of its own, divided by N":
        lambda scores, labels: np.mean(softmax(scores) - one_hot(scores, labels), axis=0),
    "the 1 is divided by N, but the probabilities are not: divide the whole difference":
        lambda scores, labels: softmax(scores) - one_hot(scores, labels) / len(scores),
    "the probabilities are divided by N, but the 1 is not: divide the whole difference":
        lambda scores, labels: softmax(scores) / len(scores) - one_hot(scores, labels),
    "one-hot is subtracted from the scores: calculate their softmax first":
        lambda scores, labels: (scores - one_hot(scores, labels)) / len(scores),
    **{name: gradient_with(wrong) for name, wrong in SOFTMAX_MISTAKES.items()},
}

CHECKS = {
    "softmax": Check(
        softmax, score_cases, SOFTMAX_MISTAKES, "Scores become probabilities: softmax", library_softmax, (
            "Subtract the largest score of each row first: scores.max(axis=1, keepdims=True) is (N, 1).",
            "e = np.exp(scores - that maximum); the result is e, divided by its sum over axis 1, again with "
            "keepdims=True."), returns=("the probabilities",)),
    "cross_entropy": Check(
        library_loss, labeled_cases, LOSS_MISTAKES, "How wrong is that? One-hot and cross entropy",
        CrossEntropyLoss.forward, (
            "m = scores.max(axis=1, keepdims=True). Log-sum-exp of each row: m + log of the sum of exp(scores − m).",
            "The score of each right class is scores[np.arange(N), labels]. Subtract it from log-sum-exp, and "
            "return the mean."), returns=("the loss",)),
    "cross_entropy_gradient": Check(
        differences(library_loss, "scores"), labeled_cases, GRADIENT_MISTAKES, "The gradient by hand",
        CrossEntropyLoss.backward, (
            "You have softmax already. One-hot is 1 at one place of each row: what has to be subtracted there?",
            "dz = softmax(scores); dz[np.arange(N), labels] -= 1; return dz / N."), returns=("dz",)),
}
