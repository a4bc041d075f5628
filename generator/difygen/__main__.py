"""The process around the command line: `difygen`, and `python -m difygen`."""

import gc


def main() -> None:
    """Run the command line and end the process."""
    gc.set_threshold(100_000)  # what is imported is no garbage: looking for some takes a fifth of a short run
    from difygen.cli import root

    root(prog_name="difygen")


if __name__ == "__main__":
    main()
