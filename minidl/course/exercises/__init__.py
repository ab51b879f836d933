"""Exercises: functions that the reader writes and the computer checks; `python -m lessons.exercises` is the command.

In reading order: `catalog` reads the stubs, `workspace` keeps the reader's copies of them, `check` says what a right
answer is, `compare` finds the first place where an answer differs, `mistakes` recognizes the usual reasons, `worker`
runs the reader's code in a process of its own, `run` starts that process and stops it in time, `board` shows it all.
"""
