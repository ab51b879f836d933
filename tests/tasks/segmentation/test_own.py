"""The U-Net on the reader's layers calculates what the library's does."""
import ast
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minidl.course.lesson import Lesson
from minidl.layers.containers import Skip
from minidl.loss import CrossEntropyLoss
from minidl.models import unet
from minidl.optim import Adam
from minidl.tasks.segmentation import own
from minidl.tasks.segmentation.experiment import Segmentation
from tests.rendered import write_pets

ANSWERS = Path(__file__).resolve().parents[2] / "lessons" / "exercises" / "answers"


@pytest.fixture(scope="module")
def answers() -> dict[str, Any]:
    """Return the right answers of all exercises that the U-Net is made of."""
    found: dict[str, Any] = {}
    for lesson in own.LESSONS:
        path, = ANSWERS.glob(f"{lesson:02d}_*.py")
        names: dict[str, Any] = {}
        exec(compile(ast.parse(path.read_text(encoding="utf-8")), path.name, "exec"), names)
        found |= names
    return found


def test_every_part_can_be_the_readers(answers: dict[str, Any]) -> None:
    assert all(own.can_have(part, answers) for part in own.PARTS.values())
    kinds = {type(layer).__name__ for _, layer in own.with_answers(unet(2, rng=0), answers).walk()}
    assert kinds == {"Pyramid", "Sequential", "OwnConv2d", "OwnBatchNorm2d", "OwnReLU", "OwnMaxPool2d", "OwnUpsample",
                     "OwnSkip"}


def test_steps_are_the_librarys(answers: dict[str, Any]) -> None:
    rng = np.random.default_rng(0)
    x, labels = rng.random((2, 3, 32, 32)), rng.integers(0, 3, (2, 32, 32))
    values = []
    for given in ({}, answers):
        model = own.with_answers(unet(2, rng=0), given).astype(np.float64)
        loss = own.OwnCrossEntropy(given) if given else CrossEntropyLoss()
        optimizer = (own.OwnAdam if given else Adam)(model.parameters(), 1e-3)
        if isinstance(optimizer, own.OwnAdam):
            optimizer.answers = given
        losses = [own.train_step(model, loss, optimizer, x, labels) for _ in range(3)]
        values.append((losses, model.state_dict(), model.eval()(x)))
    (losses, state, y), (own_losses, own_state, own_y) = values
    assert np.allclose(losses, own_losses, rtol=1e-6) and np.allclose(y, own_y, atol=1e-4)
    assert list(state) == list(own_state)
    # A bias before batch norm has no gradient but rounding, which Adam makes a step of.
    assert all(np.allclose(state[name], own_state[name], atol=1e-4) for name in state if "running" in name)


def test_parts_without_an_answer_stay_the_librarys(answers: dict[str, Any]) -> None:
    some = {name: answers[name] for name in ("conv_forward", "relu_forward", "relu_backward", "skip_forward")}
    kinds = {type(layer).__name__ for _, layer in own.with_answers(unet(2, rng=0), some).walk()}
    assert "OwnReLU" in kinds and {"Conv2d", "Skip"} <= kinds and "OwnConv2d" not in kinds


def test_wrong_shape_of_an_answer_is_named(answers: dict[str, Any]) -> None:
    model = own.with_answers(Skip(unet(2, rng=0)), answers | {"relu_forward": lambda x: x[:1]})
    with pytest.raises(ValueError, match=r"relu_forward: expected a result of shape \(2, 2, 32, 32\) for x"):
        model(np.zeros((2, 3, 32, 32), np.float32))


@pytest.fixture(scope="module")
def pets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pets(tmp_path_factory.mktemp("own") / "pets", train=8, test=4)


def task(pets: Path, tmp_path: Path) -> Segmentation:
    return Segmentation(Lesson("17_unet", argv=["--data", str(pets), "--size", "32", "--width", "4", "--epochs", "1",
                                                "--out", str(tmp_path / "out"), "--batch-size", "4"], takes=["mine"]))


def test_slow_answers_get_fewer_steps(pets: Path, tmp_path: Path, answers: dict[str, Any],
                                      monkeypatch: pytest.MonkeyPatch) -> None:
    given = task(pets, tmp_path)
    for seconds, expected in ((1e-9, (32, 4, 2)), (1.0, (32, 4, 1)), (100.0, (32, 4, 1))):
        monkeypatch.setattr(own.Training, "seconds_per_step", lambda self, seconds=seconds: seconds)
        assert own.affordable(given, answers, 1.5) == expected


def test_mine_trains_and_draws(pets: Path, tmp_path: Path, answers: dict[str, Any], monkeypatch: pytest.MonkeyPatch,
                               capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(own, "passed_answers", lambda root, lessons: answers)
    found = own.train_mine(task(pets, tmp_path), minutes=1)
    assert found["mine"] == list(own.PARTS) and found["steps"] == 2
    assert found["yours"] == pytest.approx(found["library"], abs=0.05)
    assert (tmp_path / "out" / "17_unet" / "mine.png").is_file()
    assert "cross entropy  yours" in capsys.readouterr().out


def test_mine_without_any_answer_says_what_to_do(pets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own, "passed_answers", lambda root, lessons: {})
    with pytest.raises(SystemExit, match="python -m lessons.exercises"):
        own.train_mine(task(pets, tmp_path), minutes=1)
