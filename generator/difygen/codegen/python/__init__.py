"""The target Python: apps and options to the files of a typed package. `package` is the way in."""
