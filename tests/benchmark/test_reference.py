"""The stored numbers belong to what lesson 21 measures."""
from minidl.benchmark import reference, steps
from tests.programs import ROOT


def test_stored_times_have_the_names_of_lesson_21():
    lesson = (ROOT / "lessons" / "21_speed.py").read_text(encoding="utf-8")
    names = [name for times in (reference.LAYER_MS, *reference.STEP_MS.values()) for name in times]
    assert names and all(f'"{name}"' in lesson or name in steps.LABELS.values() for name in names)
    assert all(f'"{condition}"' in lesson for condition in reference.STEP_MS)
    assert all(value > 0 for times in (reference.LAYER_MS, *reference.STEP_MS.values()) for value in times.values())
