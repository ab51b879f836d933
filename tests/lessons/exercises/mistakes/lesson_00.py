"""Planted mistakes in the answers of lesson 0."""
from tests.lessons.exercises.planted import Planted

PLANTED = [
    Planted("linear_forward", " + bias", "", "the bias is missing"),
    Planted("linear_forward", "weight.T", "weight", "W is not transposed"),
    Planted("linear_forward", "+ bias", "- bias", "the bias is subtracted"),
    Planted("linear_backward", "dweight += dy.T @ x", "dweight[...] = dy.T @ x\n    dbias[...] = 0",
            "gradients are overwritten"),
    Planted("linear_backward", "dy.T @ x", "dy.T @ x / len(x)", "divided by the number of samples"),
    Planted("linear_backward", "sum(axis=0)", "mean(axis=0)", "db is the mean"),
    Planted("linear_backward", "return dy @ weight", "return dy @ weight.T", "W is transposed in dx"),
    Planted("linear_backward", "dweight += dy.T @ x", "dweight = dweight + dy.T @ x", "dweight is as it was"),
    Planted("linear_backward", "return dy @ weight", "dy @ weight", "returned None"),
    Planted("numeric_gradient", "(2 * h)", "h", "divided by h"),
    Planted("numeric_gradient", "x[place] = value - h", "x[place] = value", "only one side"),
    Planted("numeric_gradient", "        x[place] = value\n", "", "not put back"),
    Planted("numeric_gradient", "above - f(x)", "f(x) - above", "sign is wrong"),
    Planted("numeric_gradient", "    x = x.copy()\n    for", "    x += 1e-3\n    for", "changed its argument x"),
]
