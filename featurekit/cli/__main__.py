"""``python -m featurekit.cli``."""

from featurekit.cli import main

if __name__ == "__main__":
    main()
