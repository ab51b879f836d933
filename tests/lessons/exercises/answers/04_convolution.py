"""Right answers to the exercises of lesson 4, plain rather than fast."""
import numpy as np


def convolve(x, weight, bias, stride=1, padding=0):
    N, C, H, W = x.shape
    O, _, k, _ = weight.shape
    Ho, Wo = (H + 2 * padding - k) // stride + 1, (W + 2 * padding - k) // stride + 1
    padded = np.zeros((N, C, H + 2 * padding, W + 2 * padding))
    padded[:, :, padding:padding + H, padding:padding + W] = x
    y = np.zeros((N, O, Ho, Wo))
    for n in range(N):
        for o in range(O):
            for p in range(Ho):
                for q in range(Wo):
                    window = padded[n, :, stride * p:stride * p + k, stride * q:stride * q + k]
                    y[n, o, p, q] = np.sum(window * weight[o]) + bias[o]
    return y


def im2col(x, k, stride=1, padding=0):
    N, C, H, W = x.shape
    Ho, Wo = (H + 2 * padding - k) // stride + 1, (W + 2 * padding - k) // stride + 1
    padded = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    columns = np.zeros((C, k, k, N, Ho, Wo), x.dtype)
    for i in range(k):
        for j in range(k):
            view = padded[:, :, i:i + stride * Ho:stride, j:j + stride * Wo:stride]
            columns[:, i, j] = view.transpose(1, 0, 2, 3)
    return columns.reshape(C * k * k, N * Ho * Wo)


def col2im(columns, shape, k, stride=1, padding=0):
    N, C, H, W = shape
    Ho, Wo = (H + 2 * padding - k) // stride + 1, (W + 2 * padding - k) // stride + 1
    columns = columns.reshape(C, k, k, N, Ho, Wo)
    padded = np.zeros((N, C, H + 2 * padding, W + 2 * padding), columns.dtype)
    for i in range(k):
        for j in range(k):
            view = padded[:, :, i:i + stride * Ho:stride, j:j + stride * Wo:stride]
            view += columns[:, i, j].transpose(1, 0, 2, 3)
    return padded[:, :, padding:padding + H, padding:padding + W]


def conv_forward(x, weight, bias, stride=1, padding=0):
    N, C, H, W = x.shape
    O, _, k, _ = weight.shape
    Ho, Wo = (H + 2 * padding - k) // stride + 1, (W + 2 * padding - k) // stride + 1
    y = weight.reshape(O, -1) @ im2col(x, k, stride, padding) + bias[:, None]
    return y.reshape(O, N, Ho, Wo).transpose(1, 0, 2, 3)


def conv_backward(dy, x, weight, stride=1, padding=0):
    O, _, k, _ = weight.shape
    flat = dy.transpose(1, 0, 2, 3).reshape(O, -1)
    dweight = (flat @ im2col(x, k, stride, padding).T).reshape(weight.shape)
    dbias = flat.sum(axis=1)
    dcolumns = weight.reshape(O, -1).T @ flat
    dx = col2im(dcolumns, x.shape, k, stride, padding)
    return dx, dweight, dbias


def max_pool_forward(x):
    N, C, H, W = x.shape
    y = np.zeros((N, C, H // 2, W // 2), x.dtype)
    for n, c, p, q in np.ndindex(y.shape):
        y[n, c, p, q] = x[n, c, 2 * p:2 * p + 2, 2 * q:2 * q + 2].max()
    return y


def max_pool_backward(dy, x):
    dx = np.zeros_like(x)
    for n, c, p, q in np.ndindex(dy.shape):
        square = x[n, c, 2 * p:2 * p + 2, 2 * q:2 * q + 2]
        i, j = divmod(square.argmax(), 2)
        dx[n, c, 2 * p + i, 2 * q + j] = dy[n, c, p, q]
    return dx


def batch_norm_forward(x, gamma, beta, eps=1e-5):
    axes = (0, 2, 3)
    mean = x.mean(axis=axes, keepdims=True)
    std = np.sqrt(x.var(axis=axes, keepdims=True) + eps)
    return gamma[:, None, None] * (x - mean) / std + beta[:, None, None]


def batch_norm_backward(dy, x, gamma, eps=1e-5):
    axes = (0, 2, 3)
    mean = x.mean(axis=axes, keepdims=True)
    std = np.sqrt(x.var(axis=axes, keepdims=True) + eps)
    xhat = (x - mean) / std
    g = gamma[:, None, None] * dy
    direct, by_mean = g, g.mean(axis=axes, keepdims=True)
    by_variance = xhat * (g * xhat).mean(axis=axes, keepdims=True)
    dx = (direct - by_mean - by_variance) / std
    return dx, (dy * xhat).sum(axis=axes), dy.sum(axis=axes)
