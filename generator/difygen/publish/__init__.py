"""Texts -> files on disk: all of them or none, and nothing that is not ours is written over or removed.

writer       what there is to write and to remove; what is refused
install      new files into folders, so that a crash leaves each as it was or as it is to be
stages       new files beside the old ones, ready to take their place
other_runs   those at work are waited for, what killed ones left behind is removed
"""
