"""Exercises of lesson 11: which pixels can a score depend on?

Write each function in place of its `raise NotImplementedError`, then run `python -m lessons.exercises 11`.
"""


def receptive_field(chain):
    """The receptive field of a chain of layers.

    Lesson 11, section 3. Walk from the image to the scores with two numbers: r, the side of the square of pixels that
    one position depends on, and jump, how many pixels lie between two neighboring positions. Both are 1 for the image
    itself. A layer with a k × k kernel makes r larger by (k − 1) · jump; a stride s makes the jump s times as large for
    the layers after it.

    Parameters
    ----------
    chain : list of (kernel, stride), both int, the layer at the image first
        A pooling of 2 × 2 is (2, 2).

    Returns
    -------
    int
        r; for an empty chain 1.

    Example
    -------
    A 3 × 3 convolution, a 2 × 2 pooling, a 3 × 3 convolution: 1 + 2 + 1 + 4.

    >>> receptive_field([(3, 1), (2, 2), (3, 1)])
    8
    """
    raise NotImplementedError
