"""Where rows are kept, by any number of processes.

base      what a store does, and what all of them do alike
owners    who writes into a store, and whether they still live
sqlite    a file, for one machine
shelves   a folder or a bucket, where parts lie; parts is the store that they make, for many machines
places    which kind of store a place means
"""
