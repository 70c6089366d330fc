"""`python -m dinar` is `dinar`."""

from dinar.cli import main

if __name__ == "__main__":
    main()
