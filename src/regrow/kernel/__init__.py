"""The ground floor: what a process is, and the rules by which processes meet, signal and end.

Read it in this order. ``reasons`` and ``errors`` are the words. ``process`` is the object at rest; ``runtime``
holds all of them for one event loop. ``mailbox`` puts messages in; ``scheduler`` lets processes handle them, on the
run queue or in a task of their own (``steps``). ``signals`` makes links and monitors; ``exits`` says what an exit
signal does where it arrives, and ``death`` how a process then ends, with the ``outbox`` between them. ``adoption``
says who acts. ``spawning``, ``receiving``, ``names``, ``targets``, ``timers`` and ``inspection`` are what
``regrow.process`` offers on top. ``reports`` and ``events`` tell the outside, and ``closing`` is the end of it all.

Nothing here knows of servers or supervisors.
"""
