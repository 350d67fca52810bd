"""The small program that stands between the kernel and one script, so that no process of the script can escape.

It is started by exec, once per attempt, and imports nothing but this package and a few light modules of the standard
library: every millisecond here is paid by every script.  The plugin uses `job`, `tree` and `remove` on its side too.

One sequenced-packet socket joins the two; each packet is one message.

    kernel → runner   `stop`                SIGTERM to the whole tree, the grace, then SIGKILL
                      `kill`                SIGKILL at once
                      end of file           the kernel is gone: SIGKILL at once
    runner → kernel   `started <pid>`
                      `failed <step> <errno> <reason>`   nothing was started; step is chdir, cgroup, exec, …
                      `ended <key>=<int> …`     no process of the script is left, see `supervise.report`
                      end of file               its private directory is gone too

The private directory and the script's cgroups are made and removed here, not by the kernel, so that a kernel killed at
any moment leaves none.  Into a sandbox a second runner goes along, and speaks the same words to the first: `sandboxed`.
"""
