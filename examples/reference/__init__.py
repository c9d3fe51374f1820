"""The examples of four Elixir documents, written in Python with regrow. Each prints what its document prints.

===============================  =====================================================================
module                           carried over from
===============================  =====================================================================
``dynamic_supervisor_docs``      DynamicSupervisor 1.6.6 (hexdocs), "Examples"
``module_based``                 the same page, "Module-based supervisors", and ``init/1``
``limits``                       the same page, the example of ``init/1``; what start_child answers
``migration``                    the same page, "Migrating from Supervisor's :simple_one_for_one"
``article_class_session``        "What is DynamicSupervisor in designing Elixir systems?" (Educative)
``lesson_13``                    "Elixir course lesson 13": supervisor and DynamicSupervisor
``lesson_13_strategies``         the same lesson, the three strategies
``tutorial``                     "Dynamic Supervisor Example" (J. C. Martinez de la Torre), as a package
===============================  =====================================================================

Run one with ``python -m examples.reference.lesson_13``. Where a listing is wrong as printed, the module says so and
does what was meant.
"""
