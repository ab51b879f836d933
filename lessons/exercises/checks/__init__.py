"""What is right, and what usually goes wrong: a module per lesson, with the dict CHECKS by the functions' names."""
