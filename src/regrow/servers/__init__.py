"""Servers: processes that keep a state and answer messages.

Read it in this order. ``gen_server`` is what users subclass; ``calls`` marks what clients may ask, ``reply`` answers
later, ``handles`` is what clients hold. ``rendezvous`` is how a call happens. ``starting`` starts a server,
``options`` and ``child_spec`` say how, ``scope`` ties one to a block; ``behaviour`` tells the kernel of a class.
``agent`` (typed in ``agent_starts``), ``tasks/`` and ``registry/`` are ready-made servers, and ``sys`` with
``debugging`` looks into a live one.

Nothing here knows of supervisors.
"""
