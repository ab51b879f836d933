"""Small tables: what is read, and what is refused with the line that is wrong."""
import pytest

from minidl.datasets.csv_table import number, read_table


def pair(values):
    return tuple(number(name, text, 0, 10) for name, text in zip("ab", values))


def write(tmp_path, content):
    path = tmp_path / "täble.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize("content", [
    "a,b\n1,2\n3,4.5\n", "a,b\r\n1,2\r\n3,4.5\r\n", "a,b\n1,2\n3,4.5", "\ufeffa,b\n1,2\n\n3,4.5\n\n",
    'a,b\n"1",2\n3,"4.5"\n',
])
def test_rows_are_read_whatever_ends_their_lines(tmp_path, content):
    assert read_table(write(tmp_path, content), ["a", "b"], pair) == [(1, 2), (3, 4.5)]


@pytest.mark.parametrize("content, message", [
    ("", "expected the header a,b, got ''"),
    ("1,2\n3,4\n", "expected the header a,b, got '1,2'"),
    ("b,a\n1,2\n", "expected the header a,b, got 'b,a'"),
    ("a,b\n", "expected lines of values below the header, got none"),
    ("a,b\n\n\n", "got none"),
    ("a,b\n1,2\n1\n", r"line 3: expected 2 values \(a, b\), got 1"),
    ("a,b\n\n1,2,3\n", r"line 3: expected 2 values \(a, b\), got 3"),
    ("a,b\n1;2\n", "line 2: expected 2 values"),
    ("a,b\n1,two\n", "line 2: b: expected a number from 0 to 10, got 'two'"),
    ("a,b\n1,\n", "line 2: b: expected a number from 0 to 10, got ''"),
    ("a,b\nnan,2\n", "line 2: a: expected a number"), ("a,b\ninf,2\n", "line 2: a: expected a number"),
    ("a,b\n1,11\n", "line 2: b: expected a number from 0 to 10, got '11'"),
    ('a,b\n1,"2\n', r"line \d: unexpected end of data"), ('a,b\n1,"2"3\n', "line 2"),
    (b"a,b\n1,\xff\n", "expected a table as text in UTF-8"),
    (b"\x1f\x8b\x08\x00", "expected a table as text in UTF-8"),
    ("a,b\n1,2\x00\n", "line 2"),
])
def test_other_tables_are_refused(tmp_path, content, message):
    path = write(tmp_path, content)
    with pytest.raises(ValueError, match=message) as error:
        read_table(path, ["a", "b"], pair)
    assert str(error.value).count("täble.csv") == 1


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing.csv"):
        read_table(tmp_path / "nothing.csv", ["a"], pair)
