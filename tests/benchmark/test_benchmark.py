"""The benchmark measures what it says. How fast anything is, is not tested: it depends on the machine."""
import json
import re
import subprocess
import sys

import numpy as np
import pytest

from minidl import Adam, Conv2d, CrossEntropyLoss, Tanh, unet
from minidl.benchmark import busy, inference, machine, memory, options, profile, pytorch, steps, textbook, timing
from minidl.benchmark.__main__ import main
from minidl.benchmark.options import Config
from minidl.runtime import threads

SMALL = Config(4, 32, 2)


@pytest.fixture(autouse=True)
def same_threads_afterwards():
    before = threads.get_num_threads()
    yield
    threads.set_num_threads(before)


class Clock:
    """Time that passes only when somebody sleeps."""

    def __init__(self):
        self.now, self.calls = 0.0, []

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds

    def worker(self, name, seconds):
        def work():
            self.calls.append(name)
            self.sleep(seconds)
        return work


# timing

def test_candidates_run_in_turns_and_the_warm_up_is_not_counted():
    clock = Clock()
    candidates = {"a": clock.worker("a", 1.0), "b": clock.worker("b", 2.0)}
    times = timing.interleave(candidates, seconds=0.001, rounds=3, clock=clock, sleep=clock.sleep)
    assert clock.calls == ["a", "b"] * 4
    assert {name: (t.median, t.count) for name, t in times.items()} == {"a": (1.0, 3), "b": (2.0, 3)}


def test_the_first_call_of_a_turn_is_dropped_where_others_follow():
    clock = Clock()
    warm_up, turn = [9.0], [0.125, 0.0625, 0.0625]              # a turn ends after 0.2 s
    seconds = iter(warm_up + 2 * turn)
    times = timing.interleave({"a": lambda: clock.sleep(next(seconds))}, seconds=4.0, rounds=2, clock=clock,
                              sleep=clock.sleep)
    assert (times["a"].count, times["a"].high) == (4, pytest.approx(0.0625))


def test_rounds_go_on_until_the_time_is_over():
    clock = Clock()
    times = timing.interleave({"a": clock.worker("a", 1.0)}, seconds=10.0, rounds=3, clock=clock, sleep=clock.sleep)
    assert times["a"].count == len(clock.calls) - 1 >= 9
    assert timing.Timing.of([5.0, 1.0, 2.0, 3.0, 4.0]) == timing.Timing(3.0, 2.0, 4.0, 5)
    with pytest.raises(ValueError, match="at least one round"):
        timing.interleave({}, 1.0)


# the textbook's convolution

@pytest.mark.parametrize("kernel, padding", [((3, 3), 1), ((2, 3), 0), ((1, 1), 0), ((5, 2), 2)])
def test_textbook_convolution_is_the_same_convolution(kernel, padding):
    rng = np.random.default_rng(0)
    layer = Conv2d(3, 5, kernel, padding=padding, init="torch", rng=rng)
    x = rng.normal(size=(2, 3, 6, 7)).astype(np.float32)
    assert layer.bias is not None
    y, rows = textbook.forward(x, layer.weight.data, layer.bias.data, padding)
    dy = rng.normal(size=y.shape).astype(np.float32)
    dx, dweight, dbias = textbook.backward(dy, rows, x.shape, layer.weight.data, padding)
    np.testing.assert_allclose(y, layer.forward(x), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(dx, layer.backward(dy), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(dweight, layer.weight.grad, rtol=1e-5, atol=2e-5)
    np.testing.assert_allclose(dbias, layer.bias.grad, rtol=1e-5, atol=1e-5)


def test_different_results_are_not_compared():
    timing.refuse_differences("loss", {"ours": 1.0, "plain": 1.0001}, 1e-3)
    for other in (1.1 * np.ones(3), np.array([1, 1, np.nan])):
        with pytest.raises(RuntimeError, match="dx: expected the same from all, but that of plain differs by"):
            timing.refuse_differences("dx", {"ours": np.ones(3), "plain": other}, 1e-3)


def test_the_busy_program_is_busy_and_ends(monkeypatch):
    started = []
    popen = subprocess.Popen

    def start(*arguments, **options):
        started.append(popen(*arguments, **options))
        return started[-1]

    monkeypatch.setattr(subprocess, "Popen", start)
    with busy.busy_program():
        with pytest.raises(subprocess.TimeoutExpired):
            started[0].wait(0.5)
    assert started[0].poll() is not None


# where the time goes

def test_a_stopwatch_takes_own_time_only():
    clock = Clock()
    stopwatch = profile.Stopwatch(clock)
    inner = stopwatch.watch("inner", "backward", clock.worker("inner", 2.0))

    def work():
        inner()
        clock.sleep(1.0)
        inner()

    outer = stopwatch.watch("outer", "backward", work)
    outer()
    assert stopwatch.seconds == {("inner", "backward"): 4.0, ("outer", "backward"): 1.0}


@pytest.fixture(scope="module")
def measured():
    return profile.measure(SMALL, 0.05)


def test_parts_add_up_to_the_step_and_every_kind_is_named(measured):
    rows = {row["kind"]: row for row in profile.by_kind(measured)}
    assert set(rows) == {"Conv2d", "BatchNorm2d", "ReLU", "MaxPool2d", "Upsample", "Skip", "loss", "optimizer", "rest"}
    assert sum(measured.seconds.values()) <= measured.step
    assert sum(row["ms"] for row in rows.values()) == pytest.approx(1000 * measured.step)
    assert sum(row["share"] for row in rows.values()) == pytest.approx(1)
    assert min(row["ms"] for row in rows.values()) > 0 < measured.seconds["model.0", "backward_parameters"]
    assert min(row[f"{way}_ms"] for row in list(rows.values())[:7] for way in ("forward", "backward")) > 0


def test_after_the_watch_all_methods_are_the_class_own():
    model, loss = unet(4, rng=0), CrossEntropyLoss()
    optimizer = Adam(model.parameters())
    objects = [loss, optimizer, *(layer for _, layer in model.walk())]
    before = [set(vars(thing)) for thing in objects]
    with pytest.raises(KeyError), profile.watched(profile.Stopwatch(), model, loss, optimizer):
        assert "forward" in vars(model)
        raise KeyError
    assert [set(vars(thing)) for thing in objects] == before


# convolutions

def test_operations_of_convolutions(measured):
    layer = Conv2d(2, 5, (3, 1), stride=2, padding=(1, 0))
    # 4 images of 5 channels of 3 x 4 places; at each 2 * 3 * 1 multiplications and as many additions
    assert profile.step_flop(layer, (4, 2, 6, 7), needs_dx=True) == 3 * 2 * 6 * (4 * 5 * 3 * 4)
    assert profile.step_flop(layer, (4, 2, 6, 7), needs_dx=False) == 2 * 2 * 6 * (4 * 5 * 3 * 4)
    result = profile.measure_convolutions(measured, quick=True)
    first, second, *_ = result["convolutions"]
    assert first["input"] == [2, 3, 32, 32] and second["input"] == [2, 4, 16, 16]
    assert first["gflop"] == pytest.approx(2 * (2 * 4 * 3 * 9 * 2 * 32 * 32) / 1e9)    # forward and dw, no dx
    assert second["gflop"] == pytest.approx(3 * (2 * 8 * 4 * 9 * 2 * 16 * 16) / 1e9)
    assert len(result["convolutions"]) == 10
    assert result["total"]["gflop"] == pytest.approx(sum(row["gflop"] for row in result["convolutions"]))


# memory and machine

def test_peak_memory_counts_an_array_that_is_gone():
    code = ("import json, sys, numpy as np, minidl.benchmark.__main__; from minidl.benchmark.memory import peak_bytes; "
            "before = peak_bytes(); np.ones(2**26, np.uint8); heavy = {'torch', 'matplotlib'} & set(sys.modules); "
            "print(json.dumps([before, peak_bytes(), list(heavy)]))")
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    before, after, heavy = json.loads(answer)
    assert heavy == []                                    # nothing that takes memory is imported for nothing
    assert before is None or before < 2**30 and after - before > 2**25


def test_what_is_unknown_is_said_to_be_unknown(monkeypatch):
    text = memory.show({**SMALL._asdict(), "bytes": {"ours": {"processes": 2, "after_imports": None, "peak": None}}})
    assert text.splitlines()[-1].split() == "| minidl | 2 | unknown | unknown |".split()
    monkeypatch.setattr(np, "show_config", lambda mode: {})
    assert machine.blas_library() == "unknown"


# the command line

def test_quick_run_writes_all_sections_or_some(tmp_path, capsys):
    path = tmp_path / "new" / "numbers.json"
    assert main(["--quick", "--no-torch", "--json", str(path)]) == 0
    results = json.loads(path.read_text(encoding="utf-8"))
    assert list(results) == ["machine", *options.SECTIONS]
    for section in options.SECTIONS:
        numbers = re.findall(r": (-?[\d.]+)", json.dumps(results[section]))
        assert numbers and min(map(float, numbers)) > 0, section
    out, err = capsys.readouterr()
    for title in ("The machine", "A training step of", "beside one busy program", "Where the time goes",
                  "The convolutions", "Peak memory", "Inference", "How the time grows", "textbook"):
        assert title in out
    assert err.startswith("... ") and "PyTorch" not in err
    assert list(tmp_path.glob("new/*")) == [path]
    main(["--quick", "--no-torch", "--only", "inference", "--configs", "2,64,1", "--threads", "1", "--json", str(path)])
    results = json.loads(path.read_text(encoding="utf-8"))
    assert list(results) == ["machine", "inference"] and results["machine"]["threads"] == 1
    assert [results["inference"][0][key] for key in ("width", "size", "batch")] == [2, 64, 1]


@pytest.mark.parametrize("arguments, message", [
    (["--configs", "64,128"], "expected WIDTH,SIZE,BATCH, three integers such as 16,64,8, got '64,128'"),
    (["--configs", "8,32,0"], "three integers"),
    (["--configs", "8,48,2"], "a SIZE that divides by 32"),
    (["--only", "steps,speed"], "expected some of steps,busy,layers,convolutions,memory,inference,growth,textbook, "
     "got 'speed'"),
    (["--seconds", "soon"], "'soon'"),
    (["--threads", "0"], "expected an integer of at least 1, got '0'"),
])
def test_impossible_options_are_explained(arguments, message, capsys):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    assert message in capsys.readouterr().err


def test_defaults():
    assert options.parse([]).configs == options.DEFAULT and options.parse([]).largest == Config(64, 128, 8)
    assert options.parse(["--only", "textbook,steps"]).only == ("steps", "textbook")


# beside PyTorch, where it is installed

def test_without_torch_there_is_no_rival(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    assert pytorch.find_torch() is None
    with pytest.raises(RuntimeError, match="expected PyTorch to be installed"):
        memory.of_this_process("plain", SMALL, None)


def test_twin_has_the_same_names_weights_and_results():
    torch = pytest.importorskip("torch")
    model = unet(4, rng=0)
    rival = pytorch.twin(torch, model)
    pytorch.copy_weights(torch, model, rival)
    assert list(rival.state_dict()) == list(model.state_dict())
    x, labels = steps.images(SMALL)
    for variant in pytorch.VARIANTS:
        np.testing.assert_allclose(pytorch.predictor(torch, variant, rival, x)(), model.eval().forward(x), atol=1e-5)
    first = steps.trainer(model.train(), x, labels)()
    assert pytorch.trainer(torch, "channels_last", rival.train(), x, labels)() == pytest.approx(first, rel=1e-5)
    with pytest.raises(ValueError, match="expected a layer that the U-Net is made of, got Tanh"):
        pytorch.twin(torch, Tanh())


def test_sections_with_torch():
    torch = pytest.importorskip("torch")
    row, = steps.measure((SMALL,), 0.02, torch)
    assert list(row["ms"]) == ["ours", "one", *pytorch.VARIANTS]
    assert row["ratio"] == row["ms"]["ours"] / min(row["ms"][variant] for variant in pytorch.VARIANTS)
    assert "agree" in steps.show([row]) and "best PyTorch images/s" in steps.show([row])
    row, = inference.measure((SMALL,), 0.02, torch)
    assert row["ratio"] > 0 and "channels_last" in inference.show([row])
    row, = textbook.measure(0.02, torch, textbook.QUICK)
    assert row["ratio"] > 0 and row["textbook_ratio"] > 0 and "channels_last" in textbook.show([row])
    found = memory.of_this_process("channels_last", SMALL, None)
    assert found["peak"] is None or found["peak"] >= found["after_imports"] > 0
