"""`python -m windlass_cli` is `windlass`."""

from windlass_cli.main import main

if __name__ == "__main__":
    main()
