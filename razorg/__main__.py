"""``python -m razorg``: the command line."""

from razorg.cli.start import main

if __name__ == "__main__":
    main()
