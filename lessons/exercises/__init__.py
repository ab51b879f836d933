"""Exercises: a file of stubs per lesson. `python -m lessons.exercises` copies them to my/ and checks what is there."""
