"""Planted mistakes in the answers of lesson 9."""
from tests.lessons.exercises.planted import Planted

PLANTED = [
    Planted("pixel_cross_entropy", "        z = z - z.max()\n", "", "exp overflows for large scores"),
    Planted("pixel_cross_entropy", " / (N * H * W)", "", "this is the sum over the pixels"),
    Planted("pixel_cross_entropy", "(N * H * W)", "N", "divided by N only"),
    Planted("pixel_cross_entropy", "(N * H * W)", "scores.size", "divided by the number of classes as well"),
    Planted("pixel_cross_entropy", "np.log(np.exp(z).sum()) - z[labels[n, i, j]]",
            "-np.log(np.exp(z)[labels[n, i, j]] / np.exp(z).sum())", "never calculate p"),
    Planted("pixel_cross_entropy", "np.log(np.exp(z).sum()) - z[labels[n, i, j]]",
            "-np.log(np.exp(z)[labels[n, i, j]] / np.exp(z).sum() + 1e-7)", "log(p + small number)"),
    Planted("pixel_cross_entropy", "- z[labels[n, i, j]]", "- scores[n, labels[n, i, j], i, j]", "not added again"),
    Planted("pixel_cross_entropy", "np.log(np.exp(z).sum()) - z[labels[n, i, j]]",
            "z[labels[n, i, j]] - np.log(np.exp(z).sum())", "the sign is wrong"),
    Planted("pixel_cross_entropy", "z = z - z.max()", "z -= z.max()", "changed its argument scores"),
    Planted("pixel_cross_entropy_gradient", " / (N * H * W)", "", "1/(N·H·W) is missing"),
    Planted("pixel_cross_entropy_gradient", "(N * H * W)", "N", "divided by N only"),
    Planted("pixel_cross_entropy_gradient", "(N * H * W)", "scores.size", "divided by the number of scores"),
    Planted("pixel_cross_entropy_gradient", " - scores.max(axis=1, keepdims=True)", "", "exp overflows"),
    Planted("pixel_cross_entropy_gradient", "scores.max(axis=1, keepdims=True)", "scores.max()", "exp underflows"),
    Planted("pixel_cross_entropy_gradient", "exp.sum(axis=1, keepdims=True)", "exp.sum(axis=3, keepdims=True)",
            "sum of the softmax goes over the columns"),
    Planted("pixel_cross_entropy_gradient", "(p - one_hot)", "(one_hot - p)", "the sign is wrong"),
    Planted("pixel_cross_entropy_gradient", "(p - one_hot)", "(p - one_hot) * one_hot", "only the right class"),
    Planted("pixel_cross_entropy_gradient", "(p - one_hot)", "p", "one-hot is not subtracted"),
]
