"""How the rendered pets are drawn, from the paint box to the finished image.

textures     noise, colors, flat surfaces (grass, planks, fabric, fur, ...)
solids       bodies made of overlapping ellipsoids
shading      which ellipsoid is in front at each pixel; light, shadow and fur on it
parts        breeds, coats, and what an animal consists of
heads        heads of cats and dogs
animals      whole animals in a random pose
coat         the colors of an animal's fur
room         wall, floor, boards and toys around the animal
camera       framing, focus, exposure
trimap       object, border and background from an outline
stage        all of it in one image
"""
