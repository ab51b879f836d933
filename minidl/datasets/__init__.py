"""Pictures and their labels: where they come from, and how they reach a network.

* `pets`: the reader of the Oxford-IIIT Pet layout (with `lists`, `decode`, `pool`, `rows` and `cache` behind it)
* `batches`: shuffled minibatches, and their augmentation
* `box_batches`: the same with the pet's box instead of a trimap
* `mosaics`: pictures of several pets, put together from pictures of one
* `iris`, `temperatures`: two small tables for the first lessons (`tables` reads them)
* `oxford_pets`: the real set, as `python -m minidl.datasets download` gets it (`web`, `download`, `archives`)
* `synthetic_pets`: cats and dogs rendered in that layout, for those who do not have the real ones
"""
