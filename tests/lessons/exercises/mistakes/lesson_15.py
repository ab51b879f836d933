"""Planted mistakes in the answers of lesson 15."""
from tests.lessons.exercises.planted import Planted

PLANTED = [
    Planted("nearest_forward", "x.repeat(scale, axis=2).repeat(scale, axis=3)", "np.tile(x, (1, 1, scale, scale))",
            "repeated as a whole"),
    Planted("nearest_forward", ".repeat(scale, axis=3)", "", "only the rows are enlarged"),
    Planted("nearest_forward", "x.repeat(scale, axis=2).repeat(scale, axis=3)",
            "x.repeat(scale, axis=0).repeat(scale, axis=1)", "the axes 0 and 1"),
    Planted("nearest_forward", "x.repeat(scale, axis=2).repeat(scale, axis=3)",
            "x.repeat(scale ** 2).reshape(*x.shape[:2], x.shape[2] * scale, x.shape[3] * scale)", "one long row"),
    Planted("nearest_backward", "+=", "=", "only the last copy"),
    Planted("nearest_backward", "return dx", "return dx / scale ** 2", "the mean of each square"),
    Planted("nearest_backward", "dx += dy[:, :, i::scale, j::scale]", "dx = dy[:, :, ::scale, ::scale]",
            "only the first copy"),
    Planted("nearest_backward", "return dx",
            "return dy.reshape(N, C, scale, H // scale, scale, W // scale).sum(axis=(2, 4))", "not squares"),
    Planted("nearest_backward", "+=", "-=", "the sign is wrong"),
    Planted("bilinear_matrix", "at = (i + 0.5) / scale - 0.5", "at = i / scale", "half pixels are missing"),
    Planted("bilinear_matrix", "at = (i + 0.5) / scale - 0.5", "at = (i + 0.5) / scale", "− 1/2 is missing"),
    Planted("bilinear_matrix", "at = (i + 0.5) / scale - 0.5", "at = i * (size - 1) / max(size * scale - 1, 1)",
            "align_corners"),
    Planted("bilinear_matrix", "A[i, right] += t", "A[i, right] = t", "+=, not ="),
    Planted("bilinear_matrix", "t = at - left", "t = 1 - (at - left)", "exchanged"),
    Planted("bilinear_matrix", "t = at - left", "t = round(at - left)", "First difference"),
    Planted("bilinear_matrix", "return A", "return A.T", "the axes are swapped"),
    Planted("bilinear_matrix", "for i in range(size * scale):",
            "for i in range(size * scale):\n"
            "        for j in range(size):\n"
            "            A[i, j] = max(0, 1 - abs((i + 0.5) / scale - 0.5 - j))\n"
            "    for i in ():", "a share is lost"),
    Planted("bilinear_forward", " @ B.T", "", "only the rows become more"),
    Planted("bilinear_forward", "A @ x @ B.T", "(A @ x @ B.T).transpose(0, 1, 3, 2)", "are exchanged"),
    Planted("bilinear_forward", "A @ x @ B.T", "A @ x @ B.T / scale ** 2", "divided by scale²"),
    Planted("bilinear_forward", "A @ x @ B.T", "x.repeat(scale, axis=2).repeat(scale, axis=3)",
            "copies the nearest pixels"),
    Planted("bilinear_backward", "A.T @ dy @ B", "np.linalg.pinv(A) @ dy @ np.linalg.pinv(B).T", "(inverse)"),
    Planted("bilinear_backward", "A.T @ dy @ B", "A.T @ dy @ B / scale ** 2", "that is an average"),
    Planted("bilinear_backward", "A.T @ dy @ B", "A.T @ dy", "only the rows become fewer"),
    Planted("bilinear_backward", "A.T @ dy @ B", "nearest_backward(dy, scale)", "nearest's backward"),
    Planted("bilinear_backward", "A.T @ dy @ B", "bilinear_forward(dy, scale)", "enlarges dy again"),
]
