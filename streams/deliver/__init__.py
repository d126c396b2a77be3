"""Flags on their way to the tools of moderators: what each tool is sent, and the process that sends it."""
