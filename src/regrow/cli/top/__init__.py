"""``regrow top``: a running program, live in the terminal (extra ``regrow[top]``: textual).

Read it in this order. ``run`` finds the program; ``app`` is the screen with its key line, and the loop that asks the
program again and again; ``lines`` says how it does as a whole; ``table``, ``tree`` and ``crashes`` are the three views,
each of which says what it wants to know and shows it; ``pages`` are what lies over them: one process, one crash, a
question before something is done, the help. The program is held by an ``Attachment`` of ``regrow.control``, which finds
it again after it has ended.
"""
