"""`python -m streams.cli`: the command line without an installed `credence`."""

from streams.cli.main import main

if __name__ == "__main__":
    main()
