"""``python -m regrow``: the same as the ``regrow`` command."""

from regrow.cli.main import main

if __name__ == "__main__":
    main()
