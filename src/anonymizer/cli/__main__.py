"""``python -m anonymizer.cli``, which an installed watch service may still call."""

from anonymizer.cli.main import main

if __name__ == "__main__":
    main()
