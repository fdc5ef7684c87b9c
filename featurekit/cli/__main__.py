"""``python -m featurekit.cli``."""

from featurekit.cli import main

main()
