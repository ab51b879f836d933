"""Images and their labels: where they come from.

* `pets`: the reader of the Oxford-IIIT Pet layout (`index` finds files, `decode` reads them, `cache` keeps the result)
* `download`: the real set, as `python -m minidl.datasets download` gets it
* `synthetic_pets`: cats and dogs rendered in that layout, a stand-in for the real ones (drawn by `rendering`)
* `augment`: random variations of an image and its labels
* `digits`: handwritten digits
* `iris`, `temperatures`: two small tables for the first lessons (`csv_table` reads them)
"""
