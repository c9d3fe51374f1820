"""``regrow ps``, ``tree``, ``crashes`` and ``observe``: look once into a program that runs, and print.

On a terminal it is coloured and cut to the width; into a pipe it goes plain and whole; with ``--json`` it is what the
observer has said. ``asking`` finds the program and asks it, ``table`` prints columns; ``processes``, ``tree``,
``crashes`` and ``web`` are the commands. How a node of the tree and a crash are worded, ``top`` takes from here.
"""
