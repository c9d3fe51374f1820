"""Tasks: functions that run as processes, and whose results somebody waits for.

``task`` is what users have; ``process`` is what runs, ``waiting`` how a result is waited for, ``outcome`` what came of
it, and ``stream`` many tasks over many items.
"""
