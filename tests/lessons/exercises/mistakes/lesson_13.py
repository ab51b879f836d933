"""Planted mistakes in the answers of lesson 13."""
from tests.lessons.exercises.planted import Planted

PLANTED = [
    Planted("pixel_shuffle", "    for c in", "    return x.reshape(y.shape)\n    for c in", "a plain reshape"),
    Planted("pixel_shuffle", "i::r, j::r", "j::r, i::r", "rows and columns of the square are exchanged"),
    Planted("pixel_shuffle", "i::r, j::r", "i * H:(i + 1) * H, j * W:(j + 1) * W", "whole maps, side by side"),
    Planted("pixel_shuffle", "c * r * r + i * r + j", "c + (i * r + j) * C", "in the order (i, j, c)"),
    Planted("pixel_shuffle", "c * r * r + i * r + j", "c * r * r", "the value of its first map"),
    Planted("pixel_shuffle", "c * r * r + i * r + j", "c * r + i * r + j", "First difference"),
    Planted("pixel_shuffle", "    return y",
            "    x = x.reshape(N, C, r, r, H, W)\n    return x.transpose(0, 1, 4, 5, 2, 3).reshape(y.shape)",
            "a row of r² pixels"),
    Planted("pixel_shuffle", "= x[:, c * r * r + i * r + j]", "= 0", "all numbers are 0"),
]
