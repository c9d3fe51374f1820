"""Supervisors: processes whose work is to start other processes, to restart them, and to end them in order.

Read it in this order. ``specs`` says what can be given as a child, ``flags`` and ``intensity`` what a
supervisor keeps to. ``stepwise`` is how supervisors are written: plain while it can, asynchronous when it
must. ``starts`` starts one child, ``exits`` is how its end is heard of, ``shutdown`` ends children within
their time. On these stand ``base``, what all supervisors share, and ``dynamic_supervisor``. The static ones
have a ``table`` of children in order and the ``strategies`` of restarting them, which ``table_supervisor``
brings together; ``supervisor`` and ``partition_supervisor`` are its two faces. ``children``, ``reports`` and
``errors`` are what the outside sees.

A supervisor knows nothing of the application it runs in.
"""
