"""Right answers to the exercises of lesson 1."""
import numpy as np


def softmax(scores):
    e = np.exp(scores - scores.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def cross_entropy(scores, labels):
    m = scores.max(axis=1)
    log_sum_exp = m + np.log(np.exp(scores - m[:, None]).sum(axis=1))
    of_right_class = scores[np.arange(len(scores)), labels]
    return np.mean(log_sum_exp - of_right_class)


def cross_entropy_gradient(scores, labels):
    dz = softmax(scores)
    dz[np.arange(len(dz)), labels] -= 1
    return dz / len(dz)
