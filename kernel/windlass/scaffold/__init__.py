"""`windlass plugin new`: writes a plugin that works, from the files in `template/`."""
