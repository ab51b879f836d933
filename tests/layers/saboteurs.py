"""Layers that are wrong on purpose, one mistake each. A check that lets one of them pass is worth nothing."""
# mypy: disable-error-code="union-attr, index"
import numpy as np

from minidl import (
    BatchNorm2d, Conv2d, CrossEntropyLoss, Dropout, Linear, MaxPool2d, ReLU, Sigmoid, SmoothL1Loss, Softmax, Tanh,
    Upsample,
)
from minidl.tasks.detection.single_shot import DetectionLoss


class SoftmaxOfZeros(Softmax):
    def backward(self, dy):
        return np.zeros_like(dy)


class SoftmaxWrongSign(Softmax):
    def backward(self, dy):
        y, = self.recall(dy)
        return y * (dy + (dy * y).sum(axis=1, keepdims=True))


class ConvNoBiasGradient(Conv2d):
    def backward(self, dy):
        before = self.bias.grad.copy()
        dx = super().backward(dy)
        self.bias.grad[...] = before
        return dx


class ConvTransposedKernel(Conv2d):
    def backward(self, dy):
        before = self.weight.grad.copy()
        dx = super().backward(dy)
        self.weight.grad[...] = before + (self.weight.grad - before).swapaxes(2, 3)
        return dx


class ConvOverwritesGradient(Conv2d):
    def backward(self, dy):
        self.zero_grad()
        return super().backward(dy)


class LinearOverwritesGradient(Linear):
    def backward(self, dy):
        self.zero_grad()
        return super().backward(dy)


class ReLUWritesIntoDy(ReLU):
    def backward(self, dy):
        y, = self.recall(dy)
        dy *= y > 0
        return dy


class ReLUWritesIntoX(ReLU):
    def forward(self, x):
        np.maximum(x, 0, out=x)
        return self.keep(x, x)


class TanhOfAbsoluteInPlace(Tanh):
    """forward writes into x; from then on x is what it likes, and all it does is consistent."""

    def forward(self, x):
        return super().forward(np.abs(x, out=x))


class UpsampleClearsX(Upsample):
    """backward writes into x, which its dx does not depend on."""

    def forward(self, x):
        self.x = x
        return super().forward(x)

    def backward(self, dy):
        dx = super().backward(dy)
        self.x[...] = 0
        return dx


class ReLUPassesAll(ReLU):
    def backward(self, dy):
        self.recall(dy)
        return dy


class SigmoidSlightlyWrong(Sigmoid):
    def backward(self, dy):
        return super().backward(dy) * (1 + 1e-4)


class SigmoidSinglePrecision(Sigmoid):
    def backward(self, dy):
        return super().backward(dy).astype(np.float32)


class SigmoidDoublePrecision(Sigmoid):
    def forward(self, x):
        return super().forward(x).astype(np.float64)


class SigmoidWrongShape(Sigmoid):
    def backward(self, dy):
        return super().backward(dy)[:1]


class BatchNormOfZeros(BatchNorm2d):
    def backward(self, dy):
        return 0 * super().backward(dy)


class BatchNormWithoutMean(BatchNorm2d):
    """Takes the mean for a constant."""

    def backward(self, dy):
        dx = super().backward(dy)
        x, mean, inverse_std, _ = self.recall(dy)
        scale = self.weight.data * inverse_std
        return dx + scale[:, None, None] * dy.mean(axis=(0, 2, 3))[:, None, None]


class MaxPoolSharesWithTies(MaxPool2d):
    def backward(self, dy):
        x, y = self.recall(dy)
        _, _, Ho, Wo = y.shape
        dx = np.zeros_like(x)
        for view, dx_view in zip(self._views(x, Ho, Wo), self._views(dx, Ho, Wo)):
            dx_view += dy * (view == y)
        return dx


class TanhWrongShape(Tanh):
    def output_shape(self, input_shape):
        return (*input_shape[:-1], input_shape[-1] + 1)


class UpsampleAverages(Upsample):
    """backward divides by the number of copies, as an average would, instead of adding them."""

    def backward(self, dy):
        return super().backward(dy) / (self.scale_factor[0] * self.scale_factor[1])


class UpsampleShifted(Upsample):
    """Not linear: 0 becomes 1."""

    def forward(self, x):
        y = super().forward(x) + 1
        return self.keep(y, x.shape)


class ConvTrustsContiguity(Conv2d):
    """Takes the memory of dy for what it is in C order."""

    def backward(self, dy):
        memory = dy.ravel(order="K").reshape(dy.shape)
        return super().backward(memory)


class ConvImagesOutermost(Conv2d):
    def forward(self, x):
        y = super().forward(x)
        return np.ascontiguousarray(y)


class BatchNormForgetsTheMode(BatchNorm2d):
    """In eval mode, its backward still takes the statistics for the batch's."""

    def backward(self, dy):
        x, mean, inverse_std, _ = self.recall(dy)
        self._cache = dy.shape, dy.dtype, (x, mean, inverse_std, True)
        return super().backward(dy)


class ReLUAlwaysKeeps(ReLU):
    def keep(self, y, *needed):
        self._cache = (y.shape, y.dtype, needed)
        return y


class ReLUAllowsAnyDy(ReLU):
    def backward(self, dy):
        y, = self._cache[2]
        return dy * (y > 0)


class ReLUForgets(ReLU):
    """A second backward finds another memory than the first."""

    def backward(self, dy):
        dx = super().backward(dy)
        self._cache = (*self._cache[:2], (np.zeros_like(dx),))
        return dx


class ReLURemembersTheFirst(ReLU):
    def keep(self, y, *needed):
        return y if self._cache else super().keep(y, *needed)


class DropoutUnscaled(Dropout):
    def forward(self, x):
        return super().forward(x) * x.dtype.type(1 - self.p)


class LinearParametersDiffer(Linear):
    def backward_parameters(self, dy):
        super().backward_parameters(2 * dy)

    def backward(self, dy):
        super().backward_parameters(dy)
        return dy @ self.weight.data


class ShapeNeverRefused(Linear):
    def output_shape(self, input_shape):
        return (input_shape[0], self.out_features)


class CrossEntropyForgetsTheMean(CrossEntropyLoss):
    def backward(self):
        return super().backward() * 2


class CrossEntropyWithoutOneHot(CrossEntropyLoss):
    def backward(self):
        exp, exp_sum, _, share, _ = self.recall()
        return exp / exp_sum * share


class SmoothL1ForgetsBeta(SmoothL1Loss):
    def derivatives(self, prediction, target):
        return (prediction - target).clip(-1, 1)


class SmoothL1NeverClips(SmoothL1Loss):
    def derivatives(self, prediction, target):
        return (prediction - target) / self.beta


class DetectionForgetsTheBoxWeight(DetectionLoss):
    def backward(self):
        d = super().backward()
        d[:, 1:5] /= self.box_weight
        return d


class DetectionAveragesOverAllCells(DetectionLoss):
    """forward divides by the cells with a pet, backward by all of them."""

    def backward(self):
        d = super().backward()
        return d * (max(1, len(self.recall()[2][0])) / d[:, 0].size)


class DetectionTeachesBoxesEverywhere(DetectionLoss):
    """The gradient of the first pet's box goes to all cells."""

    def backward(self):
        d = super().backward()
        n, rows, columns = self.recall()[2]
        d[:, 1:5] = d[n[0], 1:5, rows[0], columns[0]][:, None, None]
        return d
