"""The command line: ``regrow new``, ``run``, ``shell``, ``chaos`` and ``demo`` (extra ``regrow[cli]``: typer and rich).

``main`` is where it begins, and works without the extra far enough to say how to get it. ``commands`` lists the
commands with their options. ``target`` finds the application that is meant. ``new`` makes a project from
``templates``. ``shell`` is the prompt beside a running application, made of ``evaluator``, ``console`` and ``tree``;
``chaos`` talks to a running program over its control socket; ``demo`` finds the arcade.
"""
