"""The command line (extra ``regrow[cli]``: typer and rich).

``main`` is where it begins, and works without the extra far enough to say how to get it. ``commands`` lists the
commands with their options, and ``looking`` those that look into a running program. ``target`` finds the application
that is meant. ``new`` makes a project from ``templates``; ``shell`` is the prompt beside a running application, made of
``evaluator``, ``console`` and ``tree``; ``beside`` is the control socket of a program that the command line runs;
``demo`` finds the arcade.

The others talk to a running program over its control socket: ``chaos``; ``once`` prints what there is to see, with
``columns`` and ``words``; ``top`` shows it live.
"""
