"""All lessons in one command and on one page: `python -m lessons` runs them, and writes out/index.html.

In reading order: `scripts` (a lesson's file as cells), `markdown` and `highlight` (cells as HTML), `results` (what a
run left in its folder), `images` (figures inside the page), `names` and `library` (the library's code, and which name
leads where in it), `page` (all of it as one file), `runner` (lesson after lesson), `notebooks` (lessons for Jupyter).
Nothing here imports matplotlib, so that the command answers at once.
"""
