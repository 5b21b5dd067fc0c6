"""``liandong demo``: a real federation on this machine, each center its own process, each parent its own broker.

``plan``       which centers, which ports, which users
``building``   their directories: the root is made, the others are enrolled and joined, as in real life
``processes``  starts them, watches them, stops them
``record``     ``demo.json``: what runs where, for people and for programs
``stories``    what happens to the matters that are played through it, and ``matters`` what they are about
``running``    all of it in order

Names and codes of the centers are real (``node/data/divisions.csv``); people and matters are made up.
"""
