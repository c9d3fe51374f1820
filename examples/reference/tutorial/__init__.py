"""The tutorial "Dynamic Supervisor Example", step by step.

1. ``step_1`` is the application as the tutorial first writes it: a root supervisor, and no children yet.
2. ``pyproject.toml`` beside it names the application, as ``mix.exs`` does.
3. ``dynamic_supervisor_example/workers_supervisor`` is the dynamic supervisor of the workers.
4. ``dynamic_supervisor_example/application`` is the application with that supervisor in its tree.

The tutorial ends there, "Still doing". It promises one process a game and a Registry to find it by: that is
``examples/arcade``. Run this with ``python -m examples.reference.tutorial``, or, in this folder, with ``regrow run``.
"""
