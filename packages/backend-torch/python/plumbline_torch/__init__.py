"""The Python side of Plumbline's engine on PyTorch.

Started by `python -m plumbline_torch`; speaks frames on standard input and output (see `framing`) with the Node process that started it.
Nothing of torch is imported here, so that the first frame is on its way before that takes seconds.
"""

PROTOCOL = 1
"""Version of the frames and of what stands in them; the other side refuses another one."""
