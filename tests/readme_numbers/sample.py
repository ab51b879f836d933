"""A page with a number of each kind, and the results that it states: all of them agree."""
import json
from pathlib import Path

from tests.readme_numbers.counts import lessons, lines, lines_of_core
from tests.readme_numbers.measure import ROOT

PAGE = """# A page

2 lessons, but `11.11` is code.

| | lesson | on held-out data, seed 0 | s |
|---|---|---|---:|
| 7.77 | [02 MLP](lessons/02_mlp_classifier.py) | accuracy 0.969; moved by one pixel 0.485 | 14 |
| | [12 9 × 9](lessons/12_segmentation_9x9.py) | 9 × 9: mean IoU 0.498; six 3 × 3: **0.662**, 0.428 | 195 |
| | [18 Skips](lessons/18_skip_connections.py) | border IoU 0.06 without, 0.41 with (three seeds) | 172 |
| | [21 Speed](lessons/21_speed.py) | 7 min by loops, 19 ms at last | 45 |

The border's IoU is 0.41 with them, 0.06 without, and
0.11 without but with as many parameters.

| model | lesson | mean IoU | border | 4 × budget: mean IoU, border | parameters | receptive field | s |
|---|---|---|---|---|---|---|---|
| K-means | 08 | 0.214 | 0.000 | – | 256 | 1 × 1 | 5 |
| **U-Net** | 17 | 0.757 ± 0.003 | **0.53 ± 0.003** | 0.806, 0.612 | 735,795 | 64 × 64 | 53 |

The same on photographs:

| model | mean IoU | border |
|---|---|---|
| [U-Net](lessons/17_unet.py) (width 16) | 0.643 ± 0.01 | 0.312 |

On 154 photographs the [weights](minidl/predict/weights/README.md) have a mean IoU of 0.720, with 88.1 % of the pixels
right (57 % are background); 0.640 on other breeds, and 0.9 on rendered images.

| photographs | mean IoU | object | background | border | pixels right | "background" everywhere |
|---|---|---|---|---|---|---|
| all 154 | 0.720 | 0.810 | 0.900 | 0.450 | 0.881 | 0.566 |
| 26 others | 0.111 | 0.111 | 0.111 | 0.111 | 0.111 | 0.111 |

| width, images, batch | minidl | one process | PyTorch | channels_last | minidl ÷ better PyTorch | beside |
|---|---|---|---|---|---|---|
| 16, 64 × 64, 8 (the lessons') | 66 | 85 | 66 | 61 | **1.08** | 0.70 |

Peak memory: minidl's two processes 1,132 MiB, PyTorch 984. Python 3.11.
"""
LADDER = """| model | mean IoU | object | border | mean IoU, 4 × budget | border, 4 × budget | parameters | \
receptive field | training (s) |
|:---|---:|---:|---:|---:|---:|---:|---:|---:|
| K-means | 0.214 | 0.043 | 0.000 | – | – | 256 | 1 × 1 | 5 |
| U-Net   | 0.757 ± 0.003 | 0.821 | 0.530 ± 0.003 | 0.806 | 0.612 | 735,795 | 64 × 64 | 51 |

A line.
"""
SCORES = """             images  mean IoU  object  background  border  pixels right  "background" everywhere
all             154     0.720   0.810       0.900   0.450         0.881                    0.566
other breeds     34     0.640   0.700       0.800   0.400         0.800                    0.600
154 images scored; scores.csv lists them
"""
METRICS = {
    "02_mlp_classifier": {"seconds": 15.2, "test": {"accuracy": 0.96936}, "accuracy_moved": 0.48468},
    "12_segmentation_9x9": {"seconds": 224.7, "test": {"mean_iou": 0.49782, "iou_border": 0.24901},
                            "test_six": {"mean_iou": 0.66170, "iou_border": 0.42843}},
    "18_skip_connections": {"seconds": 160.0, "border": {
        "without skips": [0.073, 0.057, 0.044], "wider, without": [0.087, 0.123, 0.108],
        "with skips": [0.407, 0.416, 0.394]}},
    "21_speed": {"seconds": 46.9, "layer_ms": {"seven loops (calculated)": 500_000.0, "in a workspace": 25.0}}}
MS = {"ours": 67.2, "one": 89.0, "plain": 72.8, "channels_last": 64.2}


def plant(folder: Path) -> None:
    """Write page.md and the results into a folder."""
    page = PAGE + (f"The core: {lines_of_core(ROOT):,} lines. [step](minidl/step.py)\n"
                   f"({lines(ROOT / 'minidl' / 'step.py')})\n\n| folder | lines |\n|---|---|\n"
                   f"| [plotting/](minidl/plotting) | {lines(ROOT / 'minidl' / 'plotting'):,} |\n")
    page = page.replace("2 lessons", f"{lessons(ROOT)} lessons")
    write(folder / "page.md", page)
    for name, numbers in METRICS.items():
        arguments = ["--threads", "2", "--out", "there", "--threads", "1"]
        write(folder / name / "metrics.json", json.dumps(numbers | {"arguments": arguments}))
    write(folder / "18_skip_connections" / "ladder_seeds.md", LADDER)
    write(folder / "photographs" / "18_skip_connections" / "ladder_seeds.md",
          LADDER.replace("0.757 ± 0.003", "0.643 ± 0.010").replace("0.530 ± 0.003", "0.312"))
    write(folder / "predict" / "scores.txt", SCORES)
    row = {"width": 16, "size": 64, "batch": 8, "ms": MS}
    write(folder / "benchmark.json", json.dumps({
        "steps": [row | {"ratio": 1.05}], "busy": [row | {"ratio": 0.67}],
        "memory": {"bytes": {"ours": {"peak": 1132 * 2**20}, "plain": {"peak": 995 * 2**20},
                             "channels_last": {"peak": 984 * 2**20}}}}))


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
