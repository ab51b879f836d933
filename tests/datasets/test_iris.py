"""The irises of data/iris.csv, and tables that look like it."""
from pathlib import Path

import numpy as np
import pytest

from minidl.datasets.iris import FEATURES, SPECIES, load_iris

TABLE = Path(__file__).resolve().parents[2] / "data" / "iris.csv"
HEADER = "sepal_length,sepal_width,petal_length,petal_width,species\n"


def test_the_table_of_the_project():
    measurements, labels = load_iris(TABLE)
    assert measurements.shape == (150, 4) and measurements.dtype == np.float32
    assert labels.dtype == np.int64 and np.bincount(labels).tolist() == [50, 50, 50]
    # Fisher's means, in the order of the species and of FEATURES
    means = np.array([measurements[labels == k].mean(axis=0) for k in range(3)])
    np.testing.assert_allclose(means, [[5.006, 3.428, 1.462, 0.246], [5.936, 2.770, 4.260, 1.326],
                                       [6.588, 2.974, 5.552, 2.026]], atol=1e-4)
    assert FEATURES[2] == "petal_length" and SPECIES == ("setosa", "versicolor", "virginica")


def test_values_keep_their_columns_and_lines(tmp_path):
    path = tmp_path / "iris.csv"
    path.write_text(HEADER + "1,2,3,4,virginica\n5,6,7,8,setosa\n", encoding="utf-8")
    measurements, labels = load_iris(path)
    assert measurements.tolist() == [[1, 2, 3, 4], [5, 6, 7, 8]] and labels.tolist() == [2, 0]


@pytest.mark.parametrize("line, message", [
    ("5.1,3.5,1.4,0.2,tulip", "line 3: species: expected one of setosa, versicolor, virginica, got 'tulip'"),
    ("5.1,3.5,1.4,0.2,Setosa", "got 'Setosa'"),
    ("5.1,3.5,1.4,0.2", "line 3: expected 5 values"),
    ("5.1,3.5,-1.4,0.2,setosa", "line 3: petal_length: expected a number from 0.1 to 30, got '-1.4'"),
    ("5.1,3.5,?,0.2,setosa", r"petal_length: expected a number from 0.1 to 30, got '\?'"),
    ("51,35,14,2,setosa", "sepal_length"),               # millimeters
])
def test_a_malformed_flower_is_refused(tmp_path, line, message):
    path = tmp_path / "iris.csv"
    path.write_text(HEADER + "5.1,3.5,1.4,0.2,setosa\n" + line + "\n", encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        load_iris(path)
