"""Planted mistakes in the answers of lesson 17."""
from tests.lessons.exercises.planted import Planted

PLANTED = [
    Planted("skip_forward", "[inside, x]", "[x, inside]", "the order is the other one"),
    Planted("skip_forward", "axis=1", "axis=2", "along the rows"),
    Planted("skip_forward", "np.concatenate([inside, x], axis=1)", "inside + x", "the two are added"),
    Planted("skip_forward", "np.concatenate([inside, x], axis=1)", "inside", "x is missing"),
    Planted("skip_forward", "return np", "np", "returned None"),
    Planted("skip_backward", "dy[:, :channels], dy[:, channels:]", "dy[:, channels:], dy[:, :channels]",
            "the two are exchanged"),
    Planted("skip_backward", "dy[:, channels:]", "dy[:, channels + 1:]", "Expected shape"),
    Planted("skip_backward", "dy[:, :channels], dy[:, channels:]", "dy[:, :-channels], dy[:, -channels:]",
            "the last `channels` channels"),
    Planted("skip_backward", "dy[:, :channels], dy[:, channels:]", "dy, dy", "a concatenation splits"),
    Planted("skip_backward", "dy[:, :channels], dy[:, channels:]", "dy[:channels], dy[channels:]", "the batch is cut"),
    Planted("skip_backward", "dy[:, :channels], dy[:, channels:]", "dy[:, :channels - 1], dy[:, channels - 1:]",
            "one channel too early"),
    Planted("dice_loss", "1 - D.mean()", "D.mean()", "the larger the better"),
    Planted("dice_loss", "(2 * both + 1) / (sizes + 1)", "2 * both / sizes", "0/0"),
    Planted("dice_loss", "(2 * both + 1) / (sizes + 1)", "(2 * both + 1) / sizes", "missing below"),
    Planted("dice_loss", "2 * both", "both", "the 2 is missing"),
    Planted("dice_loss", "(p ** 2)", "p", "p is not squared"),
    Planted("dice_loss", "axes = (2, 3)", "axes = (0, 2, 3)", "over the whole batch"),
    Planted("dice_loss", " - scores.max(axis=1, keepdims=True)", "", "exp overflows"),
    Planted("dice_loss", "exp / exp.sum(axis=1, keepdims=True)", "scores", "the softmax is missing"),
    Planted("dice_loss", "D.mean()", "D.sum()", "the D_k are added"),
    Planted("dice_loss", "D.mean()", "D[:, 1:].mean()", "class 0 is left out"),
]
