"""What keeps the queue healthy: one small service a file, each with the same start and stop.

None of it is a task: the rescuer must not need rescuing.
"""
