"""The project that the tutorial makes with ``mix new dynamic_supervisor_example``."""
