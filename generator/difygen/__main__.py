"""`python -m difygen`."""

from difygen.cli import main

main()
