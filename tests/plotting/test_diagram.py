"""A model's diagram shows every block and every bridge, at the shapes that the model says."""
import pytest

from minidl import (
    AvgPool2d, Conv2d, ConvTranspose2d, Flatten, Identity, Linear, MaxPool2d, ReLU, Residual, Sequential, Skip, Sum,
    Upsample, classifier, encoder_decoder, fcn, localizer, pixelwise, reshape_segmenter, rrdb_net, unet,
)
from minidl.plotting import diagram
from minidl.plotting.diagram import Box, Graph, levels, measures, positions


def graph_of(model, shape):
    graph = Graph([Box(tuple(shape[1:]))])
    graph.walk(model)
    return graph


def test_encoder_decoder_has_the_boxes_of_slide_31():
    shapes = [box.shape for box in graph_of(encoder_decoder(64), (1, 3, 128, 128)).boxes]
    assert shapes == [(3, 128, 128), (64, 64, 64), (128, 32, 32), (256, 16, 16), (512, 8, 8), (512, 4, 4),
                      (512, 8, 8), (256, 16, 16), (128, 32, 32), (64, 64, 64), (3, 128, 128)]


def test_unet_has_five_nested_bridges():
    graph = graph_of(unet(16), (1, 3, 64, 64))
    ends = [(graph.boxes[start].shape, graph.boxes[end].shape, graph.boxes[end].copied)
            for start, end, _ in graph.bridges]
    assert ends == [((128, 4, 4), (256, 4, 4), 128), ((128, 8, 8), (256, 8, 8), 128), ((64, 16, 16), (128, 16, 16), 64),
                    ((32, 32, 32), (64, 32, 32), 32), ((16, 64, 64), (32, 64, 64), 16)]
    assert levels(graph.bridges) == [0, 1, 2, 3, 4]


def test_fcn_adds_the_scores_of_finer_maps():
    graph = graph_of(fcn(8, 4), (1, 3, 64, 64))
    assert [kind for _, _, kind in graph.bridges] == ["conv 1 × 1: added"] * 2


MODELS = [(classifier(4, 2, 64), (1, 3, 64, 64)), (pixelwise((9, 5), 4), (1, 3, 32, 48)), (unet(4), (2, 3, 32, 64)),
          (reshape_segmenter(4, 32), (1, 3, 32, 32)), (localizer(4, 32), (1, 3, 32, 32)), (fcn(16, 4), (1, 3, 32, 32)),
          (rrdb_net(2, 8, 4, blocks=1, base="bilinear"), (1, 3, 8, 8)), (Linear(64, 3), (1, 64)), (Identity(), (5, 7)),
          (Sequential(Flatten(), Linear(12, 5), ReLU(), Linear(5, 2)), (1, 3, 2, 2)),
          (Sequential(Conv2d(3, 4, 3, stride=2), AvgPool2d(2), ConvTranspose2d(4, 2, 2, stride=2)), (1, 3, 17, 17)),
          (Skip(Skip(Sequential(MaxPool2d(2), Upsample(2, "bilinear")))), (1, 3, 4, 4)),
          (Residual(Sequential(Conv2d(2, 2, 1), Sum(Conv2d(2, 2, 1), Identity()))), (1, 2, 4, 4))]


@pytest.mark.parametrize("model, shape", MODELS, ids=lambda one: type(one).__name__)
def test_diagram_ends_with_what_the_model_makes(model, shape):
    graph = graph_of(model, shape)
    assert graph.boxes[-1].shape == model.output_shape(shape)[1:]
    figure = diagram(model, shape, title="A model")
    depths, heights = measures(graph.boxes)
    lefts, width = positions(graph.boxes, depths, heights)
    assert all(b > a + depth for a, b, depth in zip(lefts, lefts[1:], depths)) and lefts[-1] + depths[-1] < width
    written = {text.get_text() for text in [*figure.axes[0].texts, *figure.texts, *figure.legends[0].get_texts()]}
    assert {box.text for box in graph.boxes} | {box.label for box in graph.boxes[1:]} <= written
    assert str(figure.get_label()).startswith("A model. Shapes of one sample: (")


def test_diagram_passes_on_what_the_model_refuses():
    with pytest.raises(ValueError, match="divide by 32"):
        diagram(unet(4), (1, 3, 48, 48))
