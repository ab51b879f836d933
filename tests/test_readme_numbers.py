"""The README's cheap numbers are right; the command for the others finds them, and finds each that is wrong."""
import json
import re
from pathlib import Path

import pytest

from minidl.benchmark.options import parse
from minidl.predict.__main__ import options_parser
from tests.readme_numbers import measure
from tests.readme_numbers.__main__ import CHECKS, main
from tests.readme_numbers.check import DIFFERS, MISSING, SAME, TIME, UNKNOWN, agrees, decimals, value
from tests.readme_numbers.counts import count_checks, line_checks
from tests.readme_numbers.lessons import QUANTITIES
from tests.readme_numbers.markdown import Page, rest
from tests.readme_numbers.sample import PAGE, SCORES, plant, write
from tests.readme_numbers.weights import read_scores

ROOT = Path(__file__).resolve().parents[1]
README = Page.read(ROOT / "README.md")
REMEDY = "`python -m tests.readme_numbers --only lines --write` puts it right"


@pytest.fixture
def planted(tmp_path):
    """A folder of results, with the page that states them."""
    plant(tmp_path)
    return tmp_path


def checks(folder: Path, *sections):
    page = Page.read(folder / "page.md")
    return [check for section in sections or CHECKS for check in CHECKS[section](page, folder)]


def run(folder: Path, *arguments) -> int:
    return main(["--measured", str(folder), "--readme", str(folder / "page.md"), *arguments])


# The README as it is.

def test_counts_of_the_readme_are_right():
    found = count_checks(README, ROOT)
    assert {"number of lessons", "number of exercises"} <= {check.what for check in found}
    assert [(check.what, check.said, check.measured) for check in found if check.verdict != SAME] == [], REMEDY


def test_lines_of_the_readme_are_nearly_right():
    """Three lines or 2 % may come and go before the README has to be touched; the command is exact."""
    found = line_checks(README, ROOT)
    assert len(found) > 25 and any(check.what == "lines of the core" for check in found)
    counted = [(check.what, check.said, int(str(check.measured))) for check in found]
    assert [(what, said, now) for what, said, now in counted if abs(value(said) - now) > 3 + now / 50] == [], REMEDY


@pytest.mark.parametrize("section", ["lines", "lessons", "ladder", "speed"])
def test_readme_has_what_each_part_looks_for(section, tmp_path):
    assert len(CHECKS[section](README, tmp_path)) > 10


def test_results_in_the_readme_are_known(tmp_path):
    """Each lesson with known numbers has some in its row, and none has more than are known."""
    found = CHECKS["lessons"](README, tmp_path)
    assert {check.what[:len("lesson 00")] for check in found if "seconds" not in check.what} == {
        f"lesson {number}" for number in QUANTITIES}
    assert [check.what for check in found if check.verdict == UNKNOWN] == []


@pytest.mark.parametrize("number", QUANTITIES)
def test_lesson_writes_its_quantities(number):
    """A path begins with the name of something that the lesson gives to `finish`."""
    lesson, = (ROOT / "lessons").glob(f"{number}_*.py")
    written = lesson.read_text(encoding="utf-8").rpartition("lesson.finish(")[2]
    for path in QUANTITIES[number]:
        name = {"mean_iou_of_background": "pixel_accuracy_all_background"}.get(path, path.split("/")[0])
        assert re.search(rf"\b{name}=", written), path


# The comparison, on a page and results that were planted.

def test_planted_page_agrees_with_its_results(planted, capsys):
    assert run(planted) == 0
    found = checks(planted)
    assert {check.verdict for check in found} == {SAME}
    counted = capsys.readouterr().out
    assert f"page.md: {len(found)} numbers: {len(found)} as measured" in counted
    assert {section: len(checks(planted, section)) for section in CHECKS} == {
        "lines": 4, "lessons": 9 + 4 + 3, "ladder": 6 + 6 + 2, "speed": 6 + 2, "weights": 4 + 6}


def test_each_wrong_number_is_found(planted, capsys):
    """One number at a time is made wrong, in its last digit; a time becomes four times as long."""
    text, found = (planted / "page.md").read_text(encoding="utf-8"), checks(planted)
    for check in found:
        wrong = changed(check)
        write(planted / "page.md", text[:check.at] + wrong + text[check.at + len(check.said):])
        others = [other for other in checks(planted) if other.verdict != SAME]
        expected = DIFFERS if check.tolerance is None else TIME
        assert [(one.what, one.said, one.verdict) for one in others] == [(check.what, wrong, expected)]


def changed(check):
    if check.tolerance is not None:
        return f"{4 * value(check.said):.{decimals(check.said)}f}"
    if check.said == "–":
        return "0.1, 0.2"
    last = check.said[-1]
    return check.said[:-1] + str((int(last) + 5) % 10)


def test_exit_status_of_a_number_that_differs(planted, capsys):
    text = (planted / "page.md").read_text(encoding="utf-8")
    write(planted / "page.md", text.replace("moved by one pixel 0.485", "moved by one pixel 0.486"))
    assert run(planted, "--differing") == 1
    line, = [line for line in capsys.readouterr().out.splitlines() if line.endswith(DIFFERS)]
    assert line.split() == ["7", "lesson", "02:", "accuracy_moved", "0.486", "0.48468", DIFFERS]
    write(planted / "page.md", text.replace("0.485 | 14 |", "0.485 | 60 |"))
    assert run(planted, "--differing") == 0, "a time is only reported"
    assert re.search(r"lesson 02: seconds +60 +15.20 +time differs", capsys.readouterr().out)


def test_number_beyond_the_known_ones_is_reported(planted, capsys):
    text = (planted / "page.md").read_text(encoding="utf-8")
    write(planted / "page.md", text.replace("one pixel 0.485", "one pixel 0.485, by two 0.301"))
    assert run(planted, "--only", "lessons") == 1
    assert [check.said for check in checks(planted) if check.verdict == UNKNOWN] == ["0.301"]


def test_quantity_that_a_lesson_no_longer_writes_is_reported(planted):
    write(planted / "02_mlp_classifier" / "metrics.json", json.dumps({"test": {"accuracy": 0.969}, "arguments": []}))
    found = {check.said: check.verdict for check in checks(planted, "lessons") if check.what.startswith("lesson 02")}
    assert found == {"0.969": SAME, "0.485": UNKNOWN, "14": UNKNOWN}


@pytest.mark.parametrize("change, note", [
    ({"arguments": ["--quick", "--out", "there"]}, "run with --quick"), ({"failed": "no memory"}, "failed: no memory")])
def test_run_that_is_not_the_readmes_is_no_measurement(planted, change, note):
    path = planted / "02_mlp_classifier" / "metrics.json"
    write(path, json.dumps(json.loads(path.read_text(encoding="utf-8")) | change))
    found = [check for check in checks(planted, "lessons") if check.what.startswith("lesson 02")]
    assert len(found) == 3 and {(check.verdict, check.note) for check in found} == {(MISSING, note)}


def test_without_results_nothing_is_measured(planted, tmp_path_factory):
    page, empty = Page.read(planted / "page.md"), tmp_path_factory.mktemp("empty")
    for section in ("lessons", "ladder", "speed"):
        assert {check.verdict for check in CHECKS[section](page, empty)} == {MISSING}


def test_page_without_numbers_is_an_error(planted, capsys):
    write(planted / "page.md", "# A page\n\nNothing here.\n")
    assert run(planted, "--only", "ladder", "speed") == 1
    assert "ladder: nothing to compare was found in page.md" in capsys.readouterr().err


def test_model_card_is_compared_too(planted, capsys):
    card = PAGE[PAGE.index("| photographs |"):PAGE.index("| width,")]
    write(planted / "minidl" / "predict" / "weights" / "README.md", card)
    assert run(planted, "--only", "weights") == 0
    assert "README.md: 6 numbers: 6 as measured" in capsys.readouterr().out
    write(planted / "minidl" / "predict" / "weights" / "README.md", card.replace("0.450", "0.451"))
    assert run(planted, "--only", "weights") == 1


def test_weights_of_other_photographs_are_not_compared(planted):
    write(planted / "predict" / "scores.txt", SCORES.replace("154 ", "  9 "))
    found = checks(planted, "weights")
    assert {check.verdict for check in found} == {MISSING} and len(found) == 4
    assert read_scores(planted / "predict" / "scores.txt")["other breeds"]["mean IoU"] == "0.640"


def test_rest_of_the_numbers_is_listed(planted, capsys):
    assert run(planted, "--rest") == 0
    told = capsys.readouterr().out.partition("not looked after here:\n")[2]
    numbers = re.findall(r"\d+\.\d+", told)
    assert "3.11" in numbers and "7.77" in numbers
    assert not {"11.11", "0.969", "0.485"} & set(numbers), "code, and what was compared"
    assert rest(Page(Path("x"), "1.5 and 2.5 [a](b3.5)"), [(0, "1.5")]) == {1: ["2.5"]}


def test_lines_and_counts_are_written(planted, capsys):
    before = (planted / "page.md").read_text(encoding="utf-8")
    write(planted / "page.md", re.sub(r"The core: [\d,]+ lines", "The core: 1,234 lines",
                                      re.sub(r"\d+ lessons", "99 lessons", before)))
    assert run(planted, "--only", "lines") == 1
    assert run(planted, "--only", "lines", "--write") == 0
    assert (planted / "page.md").read_text(encoding="utf-8") == before


@pytest.mark.parametrize("sentence, what", [
    ("The core has 12 files, 4,321 lines.", "lines of the core"), ("4,321 lines are the core.", "lines of the core"),
    ("Rooms for 4,321 lessons.", "number of lessons"), ("0 of 4321 done", "number of exercises"),
    ("4321 small functions", "number of exercises"), ("It renders 4,321 images", "number of rendered images"),
    ("[a](minidl/step.py) (4,321), of the core", "lines of minidl/step.py"), ("all 4,321 lines", ""),
    ("| file | lines |\n|---|---|\n| [a](minidl/step.py) | 4,321 |", "lines of minidl/step.py")])
def test_sentences_with_counts(sentence, what):
    page = Page(Path("page.md"), f"Some words.\n\n{sentence}\n")
    found = line_checks(page, ROOT) + count_checks(page, ROOT)
    assert [(check.what, value(check.said)) for check in found] == ([(what, 4321)] if what else [])
    assert all(page.text[check.at:].startswith(check.said) for check in found)


def test_rounding_of_texts():
    assert agrees("0.53 ± 0.01", "0.525 ± 0.014") and not agrees("0.53 ± 0.01", "0.524 ± 0.014")
    assert agrees("13 × 13", "13 × 13") and not agrees("13 × 13", "13 × 12") and not agrees("–", "0.1")


# What is run.

def test_commands_are_run_and_their_results_kept(tmp_path, capfd):
    log, made = tmp_path / "a" / "log.txt", tmp_path / "made"
    good = measure.Job(("-c", "import minidl; print('kept')"), log, prints=True)
    bad = measure.Job(("-c", "print('partly'); raise SystemExit(3)"), tmp_path / "bad.txt", prints=True)
    write_it = measure.Job(("-c", f"open({str(measure.partial(made))!r}, 'w').write('all')"), made)
    assert measure.run([[good, bad], [write_it]]) == [bad]
    assert log.read_text(encoding="utf-8") == "kept\n" and made.read_text(encoding="utf-8") == "all"
    assert not (tmp_path / "bad.txt").exists(), "a result that is not whole has another name"
    fails = ("-c", "raise SystemExit(1)")
    again = measure.Job(fails, made, again=True)
    assert measure.run([[measure.Job(fails, made), again]]) == [again]
    assert f"{made}: there already" in capfd.readouterr().out


def test_each_part_has_its_commands(tmp_path):
    def commands(section, photographs=None):
        return [" ".join(job.command) for stage in measure.jobs(section, tmp_path, photographs) for job in stage]

    assert commands("lines") == [] and commands("weights") == []
    assert len(commands("ladder")) == 2 and len(commands("ladder", tmp_path)) == 4
    assert sum("--data" in command for command in commands("ladder", tmp_path)) == 2
    for section in ("lessons", "ladder"):
        assert all(re.search(r"--threads \d", command) for command in commands(section))
    benchmark, = measure.jobs("speed", tmp_path, None)[0]
    assert parse(list(benchmark.command[2:])).json == measure.partial(tmp_path / "benchmark.json")
    score, = measure.jobs("weights", tmp_path, tmp_path)[0]
    assert options_parser().parse_args(score.command[2:]).score == tmp_path


def test_measuring_goes_before_comparing(planted, monkeypatch, capsys):
    sections = ["--out", str(planted), "--readme", str(planted / "page.md"), "--only", "lessons", "speed"]
    seen = []

    def keep(stages):
        seen.extend(stages)
        return []

    monkeypatch.setattr(measure, "run", keep)
    assert main(sections) == 0 and len(seen) == 2
    monkeypatch.setattr(measure, "run", lambda stages: stages[0])
    assert main(sections) == 1
    assert "failed: python -m lessons" in capsys.readouterr().err


def test_senseless_command_lines_are_refused(tmp_path, capsys):
    for arguments, words in ((["--measured", str(tmp_path / "no")], "no such folder"), (["--only", "all"], "invalid"),
                             (["--only", "weights"], "--photographs"), (["--readme", str(tmp_path)], "no such file")):
        with pytest.raises(SystemExit) as error:
            main(arguments)
        assert error.value.code == 2 and words in capsys.readouterr().err
