"""`python -m wordbox` is `wordbox`."""

from wordbox.cli.main import main

if __name__ == "__main__":
    main()
