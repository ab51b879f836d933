"""What animals are made of: breeds, coats, and the parts of a body.

Cats and dogs wear the same coats. They differ in shape only: ears (upright triangles, hanging or folded
flaps), muzzle (short with whiskers, long with a big nose), tail (long and thin, short or bushy).
"""
CAT, DOG = 1, 2
COATS = ("stripes", "bicolor", "points", "patches", "spots", "plain")    # of the breeds 1 to 6 of either species
BREEDS = {CAT: ("Tabby", "Tuxedo", "Masked_Shorthair", "Calico", "Leopard", "Longhair"),
          DOG: ("brindle_boxer", "border_shepherd", "masked_retriever", "piebald_beagle", "speckled_setter",
                "shaggy_terrier")}

# What an ellipsoid is a piece of. Numbers up to EAR are covered with fur; HEAD to TONGUE are on the head.
(TORSO, LEG, TAIL, HEAD, MUZZLE, EAR, EAR_INSIDE, NOSE, RIM, IRIS, PUPIL, GLINT, MOUTH, TONGUE, COLLAR) = range(15)
