"""Two sets against each other: equally many training images, each network scored on both, a table of all of it."""
import pytest

from minidl.datasets import synthetic_pets
from minidl.tasks.segmentation.transfer import MODELS, main, read, transfer_table


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    place = tmp_path_factory.mktemp("sets")
    return [synthetic_pets.ensure(place / "many", seed=0, train=12, test=4),
            synthetic_pets.ensure(place / "few", seed=1, train=8, test=4)]


def test_both_sets_give_as_many_training_images(folders):
    sets = read(folders, 32, None)
    assert {name: len(train) for name, (train, _) in sets.items()} == {"many": 8, "few": 8}
    assert len(set(sets["many"][0].names)) == 8
    assert {len(train) for train, _ in read(folders, 32, 5).values()} == {5}


def test_every_model_is_trained_on_each_set_and_tested_on_both(folders, capsys):
    main([*map(str, folders), "--size", "32", "--width", "2", "--epochs", "1", "--seeds", "1", "--threads", "1"])
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| ")]
    assert rows[0] == "| model | trained on | tested on many | tested on few |"
    assert [row.split(" | ")[:2] for row in rows[1:]] == [[f"| {model}", name] for model in MODELS
                                                          for name in ("many", "few")]


def test_a_cell_is_the_mean_and_half_the_range_over_seeds():
    table = transfer_table({("U-Net", "a", "a"): [0.5, 0.7], ("U-Net", "a", "b"): [0.25, 0.25]})
    assert table.splitlines()[-1] == "| U-Net | a | 0.600 ± 0.100 | 0.250 ± 0.000 |"


def test_a_set_against_itself_is_refused(folders, capsys):
    with pytest.raises(SystemExit):
        main([str(folders[0]), str(folders[0])])
    assert "different names" in capsys.readouterr().err
