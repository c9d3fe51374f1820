"""Storms: faults on purpose, by a seeded plan, and the report of what the tree made of them.

Read it in this order. ``plan`` draws which fault comes when from a seed; ``faults`` is how each is done to a process;
``census`` knows who lives below a supervisor and what becomes of them, and ``targets`` whom a storm may hit. ``storm``
brings these together and makes the ``report``; ``chaos`` is what users call. ``errors`` says which crashes are a
storm's doing. ``command`` is a storm in a running program, on behalf of who asks through its control socket.

What a storm needs of the core is there for others too: exit signals, mailboxes, suspension, the events, and
``attend_starts``. While none is on, nothing of it costs anything.
"""
