"""Where rows are kept, by any number of processes.

base      what a store does, and what all of them do alike
owners    who writes into a store, and whether they still live
sqlite    a file, for one machine
shelves   a folder or a bucket, where parts lie; parts is the store that they make, for many machines
index     where each row stands in the parts; snapshot is the one of a folder, kept beside them
places    which kind of store a place means
"""
