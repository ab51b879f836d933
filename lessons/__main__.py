"""Run lessons: `python -m lessons 17`, several: `python -m lessons 17 18`, all: `python -m lessons`; see --help."""
import argparse
import sys
from pathlib import Path

from minidl.course.gallery.notebooks import write_notebooks
from minidl.course.gallery.page import write_page
from minidl.course.gallery.runner import run_lessons
from minidl.course.gallery.scripts import find_scripts
from minidl.runtime.console import prepare
from minidl.runtime.files import DATA_HELP, make_folder, project_root, shorten
from minidl.runtime.options import whole
from minidl.runtime.threads import get_num_threads

HERE = Path(__file__).resolve().parent


def main(arguments: list[str], folder: Path = HERE) -> int:
    """Run the lessons in a folder as the command line says, and return the exit status."""
    prepare()
    # Numbers stand in front, so that numbers behind an option (--size 32) are the option's.
    count = next((i for i, text in enumerate(arguments) if not text.isdigit()), len(arguments))
    numbers = [int(text) for text in arguments[:count]]
    parser = argparse.ArgumentParser(
        prog="python -m lessons", usage="python -m lessons [NUMBER ...] [--list | --page | --notebooks] [OPTION ...]",
        allow_abbrev=False, description="Run the lessons with these numbers, as many at a time as there are cores; "
        "without a number, all. Then all results are on one page, index.html in the folder of results.",
        epilog="All other options go to the lessons: --data --size --width --epochs --batch-size --lr --seed --show "
               "--quick. `python lessons/17_unet.py --help` explains them. " + DATA_HELP)
    parser.add_argument("--list", action="store_true", help="say which lessons there are")
    parser.add_argument("--page", action="store_true", help="only write the page again, of the results that are there")
    parser.add_argument("--notebooks", nargs="*", type=int, metavar="NUMBER", help="write these lessons (default: all) "
                        "as Jupyter notebooks instead, to notebooks in the folder of results")
    parser.add_argument("--source", metavar="URL", help="where the notebooks can clone the project from, if they are "
                        "opened without it (default: where this one was cloned from)")
    parser.add_argument("--resume", action="store_true", help="leave out lessons that are done with the same options, "
                        "and go on with the one that was interrupted")
    parser.add_argument("--out", type=Path, help="folder of the results (default: out in the project)")
    parser.add_argument("--threads", type=whole, help="cores to use (default: all); several lessons run at a time")
    known, options = parser.parse_known_args(arguments[count:])
    if known.threads is not None:
        options += ["--threads", str(known.threads)]
    numbers += known.notebooks or []
    found = find_scripts(folder)
    if known.list:
        for script in found.values():
            print(f"{script.title}\n    {'. '.join(filter(None, [script.slides, script.question]))}")
        return 0
    missing = [str(number) for number in numbers if number not in found]
    if missing:
        parser.error(f"no lesson {', '.join(missing)}; there are: {', '.join(map(str, found))}")
    out = (known.out or project_root() / "out").absolute()
    try:
        make_folder(out)
    except OSError as error:
        parser.error(f"--out: {error}")

    chosen = [found[number] for number in numbers or found]
    if known.notebooks is not None:
        written = write_notebooks(chosen, out / "notebooks", known.source)
        print(f"notebooks: {len(written)} in {shorten(out / 'notebooks')}")
        return 0

    def page() -> Path:
        return write_page(list(found.values()), out)

    if known.page:
        print(f"page: {shorten(page())}")
        return 0
    # The lessons find minidl beside them even where it is not installed.
    cores = known.threads or get_num_threads()
    status = run_lessons(chosen, options, out, HERE.parent, page, known.resume,
                         cores=1 if "--show" in options else cores)
    print(f"page: {shorten(out / 'index.html')}")
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
