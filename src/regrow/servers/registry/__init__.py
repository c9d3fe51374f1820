"""The registry: ``client`` is what users have, functions that read its tables where they stand.

``server`` is the process, with its ``partition`` processes, which are linked with whoever is registered and clean up
after them; ``tables`` and ``keys`` hold the entries. ``via`` names servers, ``match`` looks through values,
``dispatch`` reaches all of a key, ``lock`` locks one, ``listeners`` hear of it.
"""
