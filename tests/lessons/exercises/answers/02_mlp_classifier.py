"""Right answers to the exercises of lesson 2."""
import numpy as np


def relu_forward(x):
    return np.maximum(x, 0)


def relu_backward(dy, x):
    return dy * (x > 0)


def he_std(fan_in):
    return np.sqrt(2 / fan_in)


def momentum_step(weight, grad, velocity, lr, momentum):
    velocity = momentum * velocity + grad
    return weight - lr * velocity, velocity


def adam_step(weight, grad, m, v, t, lr, beta1=0.9, beta2=0.999, eps=1e-8):
    m = beta1 * m + (1 - beta1) * grad
    v = beta2 * v + (1 - beta2) * grad**2
    m_hat = m / (1 - beta1**t)
    v_hat = v / (1 - beta2**t)
    return weight - lr * m_hat / (np.sqrt(v_hat) + eps), m, v
