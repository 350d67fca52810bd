"""The guard of one worker process: a small program between the node and the worker, which sees to it that the worker
ends with everything it has started.  Nothing here imports the rest of Windlass; see `__main__`.
"""
