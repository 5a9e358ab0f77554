"""`python -m bailee.cli`: the same as the `bailee` command."""

from bailee.cli.main import main

if __name__ == "__main__":
    main()
