"""`python -m bailee`: the same as the command `bailee`."""

from bailee.cli.main import main

main()
